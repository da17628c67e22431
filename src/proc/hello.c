#include "proc/hello.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

bool hello_send(int channel, struct hello hello)
{
	memcpy(hello.build_id, build_id, BUILD_ID_BYTES);
	return send(channel, &hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello;
}

bool hello_receive(int channel, struct hello *out, int timeout_ms)
{
	struct pollfd ready = {.fd = channel, .events = POLLIN};
	ssize_t size = -1;

	*out = (struct hello){.uid = 0};
	if (poll(&ready, 1, timeout_ms) == 1)
		size = recv(channel, out, sizeof *out, MSG_DONTWAIT | MSG_TRUNC);
	if (size <= 0) {
		log_line(LOG_LEVEL_ERROR, "there is nobody to say what to do: this program is "
		                          "started by posternd, see posternd(8)");
		return false;
	}
	if (size == sizeof *out && memcmp(out->build_id, build_id, BUILD_ID_BYTES) == 0)
		return true;
	log_line(LOG_LEVEL_ERROR, "this program is of another build than posternd: install all of "
	                          "Postern again, then start it");
	return false;
}
