/* engine-private: what the files of src/engine share. */
#ifndef MT_ENGINE_ENGINE_PRIVATE_H
#define MT_ENGINE_ENGINE_PRIVATE_H

#include "engine/engine.h"

/* The message's merge data as plugins and columns see it: both layers as one, of each field the one that
 * templates would see. In the worker's arena. */
const struct value *engine_message_data(const struct engine_request *rq, const struct engine_copy *copy);
/*
 * Appends ,"features":{"HASH":[…],…} to a decision's details: the campaign's features section, then what its
 * scorers read, by the hash of their columns; a row that does not fit any more is left out. Nothing when
 * there is none.
 */
void engine_rows_print(const struct engine_request *rq, const struct engine_copy *copy, struct buf *b);
/*
 * Appends ,"items":{"NAME":["ID",…],…} to a decision's details: of each variable NAME that a personalizer set
 * to a list of maps with a text "id", those ids in their order. At most 2 KiB in all; what does not fit is
 * left out. Nothing when there is none. *b is not empty.
 */
void engine_items_print(const struct engine_copy *copy, struct buf *b);

#endif
