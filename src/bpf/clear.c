#include "bpf/clear.h"

#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "bpf/attach.h"
#include "bpf/kernel_shield.h"
#include "conf/links.h"

static long call_bpf(int command, union bpf_attr *attribute)
{
	return syscall(SYS_bpf, command, attribute, sizeof *attribute);
}

/* A descriptor of the program, if it has our name; otherwise -1. */
static int open_ours(uint32_t id)
{
	union bpf_attr by_id, question;
	struct bpf_prog_info info;
	int fd;

	memset(&by_id, 0, sizeof by_id);
	memset(&question, 0, sizeof question);
	memset(&info, 0, sizeof info);
	by_id.prog_id = id;
	fd = (int)call_bpf(BPF_PROG_GET_FD_BY_ID, &by_id);
	if (fd < 0)
		return -1;
	question.info.bpf_fd = (uint32_t)fd;
	question.info.info_len = sizeof info;
	question.info.info = (uint64_t)(uintptr_t)&info;
	if (call_bpf(BPF_OBJ_GET_INFO_BY_FD, &question) != 0 || info.type != BPF_PROG_TYPE_XDP ||
	    strcmp(info.name, KERNEL_SHIELD_NAME) != 0)
		return fd_close(fd);
	return fd;
}

static bool clear(int socket, const struct link *l, uint32_t id)
{
	int program = l->xdp_program == id ? -1 : open_ours(l->xdp_program);
	bool done =
	    (program >= 0 || l->xdp_program == id) && attach_remove(socket, l->index, program) == 0;

	fd_close(program);
	return done;
}

size_t kernel_shield_clear(uint32_t id)
{
	struct link *links = NULL;
	size_t count = 0, cleared = 0;
	int socket = links_read(&links, &count, "") ? attach_open() : -1;

	for (size_t i = 0; socket >= 0 && i < count; i++)
		if (links[i].xdp_program != 0 && clear(socket, &links[i], id))
			cleared++;
	fd_close(socket);
	free(links);
	return cleared;
}
