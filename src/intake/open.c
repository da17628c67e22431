/* Opening sockets, and taking over those that an earlier daemon has opened. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "intake/socket.h"

#define RECEIVE_BUFFER_BYTES (4 << 20) /* rides out bursts while a reload or a scan goes on */
#define LISTEN_BACKLOG       64

/* What a socket is to be bound to. */
struct bound {
	struct sockaddr_storage where;
	socklen_t size;
};

struct sockaddr_in socket_four(const struct addr *a, uint16_t port)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};

	memcpy(&four.sin_addr, a->bytes + ADDR_BYTES - sizeof four.sin_addr, sizeof four.sin_addr);
	return four;
}

void socket_set_room(int fd)
{
	static const int buffer = RECEIVE_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
}

void socket_want_losses(int fd)
{
	static const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

static bool is_of(int fd, uid_t owner)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_uid == owner)
		return true;
	errno = EPERM;
	return false;
}

static void set_options(int fd, int type)
{
	static const int on = 1;

	if (type == SOCK_STREAM) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	} else {
		socket_set_room(fd);
		socket_want_losses(fd);
	}
}

/* The owner of a socket is whoever makes it, as far as files go: no right to anything but files
 * changes. */
static int make_owned(int domain, const struct socket_place *p)
{
	static const int on = 1;
	uid_t before;
	int fd;

	if (!p->shared)
		return socket(domain, p->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	before = (uid_t)setfsuid(p->owner);
	fd = socket(domain, p->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setfsuid(before);
	if (fd >= 0 &&
	    (!is_of(fd, p->owner) || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0))
		return fd_close(fd);
	return fd;
}

/* A socket that is not bound yet. */
static int make(const struct socket_place *p, struct bound *bound)
{
	static const int off = 0;
	const struct sockaddr_in6 six = addr_to_sockaddr(&p->address, p->port);
	const struct sockaddr_in four = socket_four(&p->address, p->port);
	int fd = make_owned(AF_INET6, p);

	bound->size = sizeof six;
	memcpy(&bound->where, &six, sizeof six);
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	} else if (errno == EAFNOSUPPORT &&
	           (addr_is_v4(&p->address) || addr_is_wildcard(&p->address))) {
		bound->size = sizeof four;
		memcpy(&bound->where, &four, sizeof four);
		fd = make_owned(AF_INET, p);
	}
	if (fd < 0)
		return -1;
	set_options(fd, p->type);
	if (*p->interface != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->interface,
	                                 (socklen_t)strlen(p->interface)) != 0)
		return fd_close(fd);
	return fd;
}

int socket_open(const struct socket_place *p)
{
	struct bound bound;
	int fd = make(p, &bound);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&bound.where, bound.size) != 0 ||
	    (p->type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) != 0))
		return fd_close(fd);
	return fd;
}

/* --- Taking over */

/* -1 where there is no such option. */
static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t size = sizeof value;

	return getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

/* In what `fd` is not as a fresh one, or NULL. */
static const char *difference(int fd, int fresh)
{
	static const struct {
		int level, option;
		const char *what;
	} same[] = {{SOL_SOCKET, SO_DOMAIN, "it is of another family"},
	    {SOL_SOCKET, SO_TYPE, "it is of another type"},
	    {SOL_SOCKET, SO_PROTOCOL, "it is of another protocol"},
	    {SOL_SOCKET, SO_BINDTOIFINDEX, "it is bound to another device, or to one that is gone"},
	    {SOL_SOCKET, SO_REUSEADDR, "others could share its port"},
	    {SOL_SOCKET, SO_REUSEPORT, "others could share its port"},
	    {IPPROTO_UDP, UDP_ENCAP, "packets are taken out of it"}};

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (option_of(fd, same[i].level, same[i].option) !=
		    option_of(fresh, same[i].level, same[i].option))
			return same[i].what;
	return NULL;
}

static bool is_at(int fd, const struct bound *bound)
{
	struct sockaddr_storage where = {0};
	socklen_t size = sizeof where;
	uint16_t port, wanted_port;
	struct addr a, wanted;

	return getsockname(fd, (struct sockaddr *)&where, &size) == 0 &&
	       addr_from_sockaddr(&a, &port, &where) &&
	       addr_from_sockaddr(&wanted, &wanted_port, &bound->where) && port == wanted_port &&
	       addr_equal(&a, &wanted);
}

static bool is_connected(int fd)
{
	struct sockaddr_storage far;
	socklen_t size = sizeof far;

	return getpeername(fd, (struct sockaddr *)&far, &size) == 0;
}

/* An eBPF program cannot be read, which is an error here. */
static bool has_filter(int fd)
{
	socklen_t steps = 0;

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &steps) != 0 || steps != 0;
}

/* The shield's, which an earlier daemon has put there; this one puts its own, or none. */
static bool drop_program(int fd)
{
	socklen_t steps = 0;
	int unused = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &steps) == 0)
		return steps == 0;
	return errno == EACCES &&
	       setsockopt(fd, SOL_SOCKET, SO_DETACH_BPF, &unused, sizeof unused) == 0;
}

bool socket_put_program(int fd, int program)
{
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) == 0;
}

static const char *misfit(int fd, const struct socket_place *p, const struct bound *bound)
{
	if (is_connected(fd))
		return "it is connected";
	if (!is_at(fd, bound))
		return "it is bound to another address or port";
	if (addr_is_wildcard(&p->address) && option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) > 0)
		return "it is for one family alone";
	if (p->shared && !is_of(fd, p->owner))
		return "others could share its port";
	if (!drop_program(fd))
		return "it has a filter";
	if (option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) != (p->type == SOCK_STREAM))
		return "it does not listen";
	return NULL;
}

static bool make_ours(int fd, const struct socket_place *p)
{
	set_options(fd, p->type);
	return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
	       (p->type != SOCK_STREAM || listen(fd, LISTEN_BACKLOG) == 0);
}

const char *socket_take_over(int fd, const struct socket_place *p)
{
	struct bound bound;
	const char *why;
	int fresh = make(p, &bound);

	if (fresh < 0)
		return strerror(errno);
	why = difference(fd, fresh);
	close(fresh);
	if (why == NULL)
		why = misfit(fd, p, &bound);
	if (why == NULL && !make_ours(fd, p))
		why = strerror(errno);
	return why;
}

bool socket_follow(int fd, unsigned int device, bool *changed)
{
	int bound = option_of(fd, SOL_SOCKET, SO_BINDTOIFINDEX);

	if (bound == (int)device)
		return true;
	*changed = true;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, sizeof device) == 0;
}

bool socket_is_netfilter(int fd)
{
	struct sockaddr_nl mine = {0}, far = {0};
	socklen_t size = sizeof mine, far_size = sizeof far;

	return option_of(fd, SOL_SOCKET, SO_DOMAIN) == AF_NETLINK &&
	       option_of(fd, SOL_SOCKET, SO_TYPE) == SOCK_RAW &&
	       option_of(fd, SOL_SOCKET, SO_PROTOCOL) == NETLINK_NETFILTER && !has_filter(fd) &&
	       getsockname(fd, (struct sockaddr *)&mine, &size) == 0 && mine.nl_groups == 0 &&
	       getpeername(fd, (struct sockaddr *)&far, &far_size) == 0 && far.nl_pid == 0 &&
	       far.nl_groups == 0;
}
