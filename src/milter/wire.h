/*
 * wire: the system calls that libmilter makes on a connection, fewer of them. libmilter 8.17 polls three
 * times and reads twice for each packet, and Postfix sends two packets for each header field: some 150 calls
 * for a message whose packets all wait in the socket at once. The build links libmilter's own objects with
 * these names in place of the system's (see LIBMILTER in the Makefile); where there is no libmilter.a it
 * links the shared library as it is, and nothing here is ever called but wire_cork and wire_uncork, which
 * then do nothing.
 *
 * A connection is known from wire_accept to wire_close. All other descriptors, and those from WIRE_FDS on, go
 * straight to the system. Threads: libmilter gives a connection to one thread at a time and only hands it on
 * when wire_poll has found nothing to read, so what was read ahead is never left behind where another poll
 * looks.
 */
#ifndef MT_MILTER_WIRE_H
#define MT_MILTER_WIRE_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define WIRE_FDS 65536
/* Read ahead at most, and kept back while corked; a longer packet goes through by itself. */
#define WIRE_BUFFER 8192

/* As accept, poll, read, writev, close; errno too. */
int wire_accept(int listener, struct sockaddr *address, socklen_t *n);
int wire_poll(struct pollfd *p, nfds_t n, int timeout_ms);
ssize_t wire_read(int fd, void *to, size_t n);
ssize_t wire_writev(int fd, const struct iovec *v, int n);
int wire_close(int fd);
/* As __poll_chk and __read_chk; room: bytes behind the pointer. */
int wire_poll_chk(struct pollfd *p, nfds_t n, int timeout_ms, size_t room);
ssize_t wire_read_chk(int fd, void *to, size_t n, size_t room);

/* libmilter's own patience with an MTA that does not read; for tests to shorten. */
extern int wire_write_timeout_ms;

/*
 * Between the two, what is written to the connection that the calling thread last read from is kept back and
 * leaves in one piece: in a callback, what libmilter sends to its MTA. wire_uncork: 0, or -1 when the MTA is
 * gone.
 */
void wire_cork(void);
int wire_uncork(void);

#endif
