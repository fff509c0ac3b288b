/* listener: see listener.h. */
#include "web/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static int
listen_unix(const struct conf_endpoint *at, int64_t mode, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	strcpy(sa.sun_path, at->unix_path); /* the configuration checked its length */
	/* A socket that nobody serves is what an earlier process left. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stat(at->unix_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
			close(fd);
			return err_set(e, ERR_TEMP, "%s: another program listens there", at->text);
		}
		unlink(at->unix_path);
	}
	mode_t old = umask(0177);
	int rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (rc == 0 && chmod(at->unix_path, (mode_t)mode) == 0)
		return fd;
	err_set(e, ERR_IO, "cannot listen on %s: %s", at->text, strerror(errno));
	close(fd);
	return -1;
}

static int
listen_tcp(const struct conf_endpoint *at, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
			*list;
	char port[8];
	int on = 1, fd = -1, why = 0;
	snprintf(port, sizeof(port), "%d", at->port);
	int rc = getaddrinfo(at->host, port, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_CONFIG, "cannot listen on %s: %s", at->text, gai_strerror(rc));
	for (struct addrinfo *i = list; i != NULL && fd < 0; i = i->ai_next) {
		fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
		if (fd < 0) {
			why = errno;
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (bind(fd, i->ai_addr, i->ai_addrlen) != 0) {
			why = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		err_set(e, ERR_IO, "cannot listen on %s: %s", at->text, strerror(why));
	return fd;
}

int
listener_open(const struct conf_endpoint *at, int64_t mode, struct err *e)
{
	int fd = at->unix_path != NULL ? listen_unix(at, mode, e) : listen_tcp(at, e);
	if (fd >= 0 && listen(fd, BACKLOG) != 0) {
		err_set(e, ERR_IO, "cannot listen on %s: %s", at->text, strerror(errno));
		close(fd);
		fd = -1;
	}
	return fd;
}
