/* The process that writes the audit log: it may change files in the state directory, and nothing
 * else. */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/audit_file.h"
#include "base/clock.h"
#include "base/libc.h"
#include "base/log.h"
#include "main/audit.h"
#include "proc/child.h"
#include "proc/sandbox.h"

/* Of one set of files. */
struct writer {
	struct audit_file file;
	uint64_t lost; /* lines, since the last one that was written */
};

/* It ends when main has closed its end, however that ends, and what is left has been written: not
 * by a signal that is for main. */
static bool leave_main(const char *state_dir, int fd)
{
	sigset_t none;

	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	capng_clear(CAPNG_SELECT_BOTH);
	return dup2(fd, STDERR_FILENO + 1) >= 0 && close_range(STDERR_FILENO + 2, ~0U, 0) == 0 &&
	       sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && sandbox_read_only(state_dir) &&
	       capng_apply(CAPNG_SELECT_CAPS) == 0 && prctl(PR_SET_NAME, "postern-audit") == 0;
}

static bool write_lost(struct writer *w)
{
	struct audit_line l;

	audit_line_left_out(&l, w->lost);
	return audit_file_append(&w->file, l.text, audit_line_end(&l));
}

/* Says so once, until it works again. */
static void lose(struct writer *w)
{
	char name[AUDIT_NAME_BYTES];

	if (w->lost++ == 0)
		log_event(LOG_LEVEL_WARN, "the audit log cannot be written; lines of it are lost",
		    "file", audit_file_name(name, w->file.set, 0), "error", strerror(errno),
		    "event", "audit-lost", NULL);
}

static void take_line(struct writer *w, const char *line, size_t size)
{
	bool again = w->lost > 0;

	if (again && !write_lost(w)) {
		w->lost++;
		return;
	}
	if (again)
		log_line(LOG_LEVEL_INFO, "the audit log is written again");
	w->lost = 0;
	if (!audit_file_append(&w->file, line, size))
		lose(w);
}

void audit_writer_run(const char *state_dir, int fd)
{
	struct writer writers[AUDIT_SETS] = {0};
	char message[1 + AUDIT_LINE_BYTES];
	ssize_t size;
	int folder;

	if (!leave_main(state_dir, fd))
		child_give_up("cannot write the audit log");
	log_go_on("audit", log_get_settings());
	folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	writers[AUDIT_SET_LOG].file = audit_file_of(folder, AUDIT_SET_LOG, AUDIT_FILE_BYTES);
	writers[AUDIT_SET_STRANGERS].file =
	    audit_file_of(folder, AUDIT_SET_STRANGERS, AUDIT_STRANGERS_BYTES);
	while ((size = recv(STDERR_FILENO + 1, message, sizeof message, 0)) != 0) {
		if (size > 1)
			take_line(&writers[message[0] == AUDIT_SET_STRANGERS], message + 1,
			    (size_t)size - 1);
		else if (size > 0 || errno != EINTR)
			break;
	}
	for (int set = 0; set < AUDIT_SETS; set++)
		audit_file_close(&writers[set].file);
	_exit(0);
}
