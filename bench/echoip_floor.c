/* The floor for bench/echoip.sh: libmicrohttpd with the same loop and an answer of the same size,
 * and nothing else: no log, no limits, no sandbox, one answer made once. Prints its port. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <microhttpd.h>

static enum MHD_Result answer(void *response, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *body, size_t *body_size, void **request)
{
	static int seen;

	(void)path;
	(void)method;
	(void)version;
	(void)body;
	(void)body_size;
	/* The first call brings the headers; an answer given there would close the connection. */
	if (*request == NULL) {
		*request = &seen;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(void)
{
	static char body[190];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct MHD_Response *response;
	struct MHD_Daemon *daemon;

	memset(body, 'x', sizeof body);
	response = MHD_create_response_from_buffer(sizeof body, body, MHD_RESPMEM_PERSISTENT);
	daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, response,
	    MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_END);
	if (response == NULL || daemon == NULL)
		return 1;
	printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	for (;;) {
		MHD_UNSIGNED_LONG_LONG wait_ms = 0;
		struct pollfd fd = {
		    .fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		    .events = POLLIN};
		int timed = MHD_get_timeout(daemon, &wait_ms) == MHD_YES;

		poll(&fd, 1, timed ? (int)wait_ms : -1);
		MHD_run(daemon);
	}
}
