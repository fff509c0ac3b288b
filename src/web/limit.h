/*
 * limit: how many requests a client address may make. A token bucket per address: `rate` a minute, of which a
 * quarter may come at once. IPv6 clients count by their /64, which is what one customer has.
 *
 * The table has a fixed size and is hashed with a random key: an attacker with many addresses can push others
 * out of it, which makes the limit milder for them, never harsher. Addresses are kept in memory only, hashed.
 *
 * Threads: safe.
 */
#ifndef MT_WEB_LIMIT_H
#define MT_WEB_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limiter;
/* Never NULL. */
struct limiter *limiter_new(void);
void limiter_free(struct limiter **l);
/*
 * addr: 16 bytes, IPv4 as v4-mapped IPv6. rate a minute, 0: no limit. True when the request may go on; else
 * *retry_s seconds to wait. now_us: monotonic.
 */
bool limiter_take(struct limiter *l, const uint8_t addr[16], int64_t rate, int64_t now_us, int *retry_s);
/* For what is rarely right to try again: `burst` at once, and one more every each_us. key: an address, or 16
 * bytes of which the first 8 tell one from another. */
bool limiter_try(struct limiter *l, const uint8_t key[16], int burst, int64_t each_us, int64_t now_us,
		 int *retry_s);

#endif
