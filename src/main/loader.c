#include "main/loader.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/libc.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/secret.h"
#include "conf/client_index.h"
#include "ctl/control.h"
#include "main/leftovers.h"
#include "proc/child.h"
#include "proto/shield.h"

#define PROCESSOR_S 3600 /* a million keys take some minutes on small boards */
#define IDLE_MOST   20   /* seconds without any work */
#define NICE        5    /* in a reload: knocks come first */
#define END_NS      (2 * NS_PER_SECOND)
#define WAIT_LONGER "EXTEND_TIMEOUT_USEC=60000000"

/* --- The child */

/* An interface that has gone for a while must not keep a client from being revoked. */
static bool find_interface(const struct load_task *task, struct conf *conf, struct conf_error *why)
{
	const char *text = conf_server(conf)->interface.text;

	if (conf_find_interface(conf, why)) {
		if (task->generation == 1 && strcmp(conf_interface(conf), text) != 0)
			log_event(LOG_LEVEL_INFO, "the interface has another name of its own",
			    "interface", text, "name", conf_interface(conf), NULL);
		return true;
	}
	if (task->generation == 1 || strcmp(text, task->interface->text) != 0)
		return false;
	conf_keep_interface(conf, task->interface_name);
	log_event(LOG_LEVEL_WARN, "nothing is heard at the interface", "why", why->text, NULL);
	return true;
}

static void learn_public(const struct load_task *task, struct loaded *out, struct conf *conf)
{
	if (task->generation == 1) {
		public_address_learn(&out->public, conf);
		return;
	}
	out->public = *task->public;
	conf_set_public(conf, out->public.found);
}

static void take_shield_key(uint8_t to[static SHIELD_SECRET_BYTES], const struct conf_secret *from)
{
	if (from->bytes != NULL)
		memcpy(to, from->bytes, SHIELD_SECRET_BYTES);
}

static void take_values(struct loaded *out, const struct conf *conf)
{
	out->secret.openspa = conf_has_openspa(conf);
	if (conf_has_openme(conf))
		memcpy(out->secret.secret, conf_server_secret(conf), sizeof out->secret.secret);
	take_shield_key(out->secret.shield_key, &conf_server(conf)->shield_key);
	take_shield_key(out->secret.shield_key_old, &conf_server(conf)->shield_key_old);
	if (out->secret.openspa)
		out->secret.rsa = *conf_openspa_secret(conf);
	programs_of(&out->programs, conf);
	out->interface = conf_server(conf)->interface;
	out->sandbox = (enum conf_sandbox)conf_server(conf)->sandbox;
}

/* With the index of clients in the state directory, if there is one yet; it is renewed when it is
 * worth it. */
static struct conf *load(const struct main_options *options, struct conf_error *why)
{
	char *index =
	    access(options->state_dir, F_OK) == 0 ? conf_index_path(options->state_dir) : NULL;
	struct conf *conf = index == NULL ? conf_load(options->config, why)
	                                  : conf_load_prepared(options->config, index, why);

	free(index);
	return conf;
}

/* The configuration, for its warnings; NULL when there is none. */
static struct conf *read_all(const struct load_task *task, struct loaded *out)
{
	struct conf *conf = load(task->options, &out->why);

	out->fault = CONTROL_FAULT_CONFIG;
	if (conf == NULL && out->why.permission)
		out->fault = CONTROL_FAULT_PERMISSION;
	if (conf == NULL)
		return NULL;
	out->no_interface = !find_interface(task, conf, &out->why);
	if (out->no_interface)
		return conf;
	learn_public(task, out, conf);
	take_values(out, conf);
	out->snapshot = conf_write_snapshot(conf, task->generation);
	out->fault = out->snapshot < 0 ? CONTROL_FAULT_FAILED : 0;
	if (out->snapshot < 0)
		snprintf(out->why.text, sizeof out->why.text,
		    "cannot lay out the configuration: %s", strerror(errno));
	return conf;
}

static void tell_leftovers(const char *text)
{
	log_line(LOG_LEVEL_WARN, "%s", text);
}

/* What is in force and hardly meant. */
static void warn(const struct load_task *task, const struct conf *conf)
{
	if (task->generation == 1)
		leftovers_find(conf, tell_leftovers);
	if (conf_server(conf)->firewall == CONF_FIREWALL_IPTABLES)
		log_line(LOG_LEVEL_WARN, "firewall: iptables is served through nftables; rules of "
		                         "legacy iptables are neither seen nor passed");
	for (size_t i = 0; i < conf_warning_count(conf); i++)
		log_event(LOG_LEVEL_WARN, "the configuration is in force, but", "why",
		    conf_warning(conf, i), NULL);
}

union with_snapshot {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static bool tell(int fd, struct loaded *l)
{
	union with_snapshot control = {.bytes = {0}};
	struct iovec part = {l, sizeof *l};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (l->snapshot >= 0) {
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof l->snapshot),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &l->snapshot, sizeof l->snapshot);
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof *l;
}

/* Main's signals and descriptors are not its own, and it ends with main. Where its limits are
 * narrower already they stay. It has its name when all of that is so. */
static bool leave_main(int fd, pid_t parent, bool reload)
{
	sigset_t none;

	sigemptyset(&none);
	(void)child_limit(RLIMIT_CPU, PROCESSOR_S);
	if (reload)
		(void)setpriority(PRIO_PROCESS, 0, NICE);
	return child_tie_to(parent) && sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
	       (fd == STDERR_FILENO + 1 ||
	           close_range(STDERR_FILENO + 1, (unsigned int)fd - 1, 0) == 0) &&
	       close_range((unsigned int)fd + 1, ~0U, 0) == 0 &&
	       prctl(PR_SET_NAME, "postern-loader") == 0;
}

static _Noreturn void be_loader(const struct load_task *task, int fd, pid_t parent)
{
	struct loaded *l = secret_alloc(sizeof *l);
	struct conf *conf;
	bool told;
	char accepted;

	if (l == NULL || !leave_main(fd, parent, task->generation > 1))
		child_give_up("cannot read the configuration");
	memset(l, 0, sizeof *l);
	l->snapshot = -1;
	conf = read_all(task, l);
	told = tell(fd, l);
	secret_free(l);
	if (told && read(fd, &accepted, 1) == 1)
		warn(task, conf);
	_exit(told ? 0 : 1);
}

/* --- Main */

bool loader_start(struct loader *l, const struct load_task *task)
{
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	l->pid = fork();
	if (l->pid == 0)
		be_loader(task, ends[1], parent);
	close(ends[1]);
	l->source.fd = ends[0];
	l->idle = 0;
	l->worked_ns = 0;
	if (l->pid > 0)
		return true;
	l->pid = 0;
	l->source.fd = fd_close(ends[0]);
	return false;
}

/* No clock tells how long it may take: as long as it works. */
void loader_check(struct loader *l)
{
	struct timespec used = {0};
	int64_t worked_ns;
	clockid_t clock;

	if (l->pid == 0 || clock_getcpuclockid(l->pid, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0)
		return;
	worked_ns = used.tv_sec * NS_PER_SECOND + used.tv_nsec;
	l->idle = worked_ns == l->worked_ns ? l->idle + 1 : 0;
	l->worked_ns = worked_ns;
	if (l->idle < IDLE_MOST)
		return;
	log_line(LOG_LEVEL_ERROR, "reading the configuration does not get on, and is ended");
	kill(l->pid, SIGKILL);
}

/* Whether there is something; otherwise with errno, which is 0 when the other end is closed. */
static bool receive(int fd, struct loaded *out)
{
	union with_snapshot control = {.bytes = {0}};
	struct iovec part = {out, sizeof *out};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *head = got < 0 ? NULL : CMSG_FIRSTHDR(&message);

	out->snapshot = -1;
	if (head != NULL && head->cmsg_type == SCM_RIGHTS)
		memcpy(&out->snapshot, CMSG_DATA(head), sizeof out->snapshot);
	if (got >= 0)
		errno = got == 0 ? 0 : EBADMSG;
	return got == (ssize_t)sizeof *out;
}

/* It has ended, or soon will have: its end of the channel is closed. */
static void say_how_it_ended(struct loader *l, struct conf_error *why)
{
	char how[40];
	int status = 0;

	waitpid(l->pid, &status, 0);
	l->pid = 0;
	snprintf(why->text, sizeof why->text, "the process that reads it has ended: %s",
	    child_how_ended(how, sizeof how, status));
}

struct loaded *loader_take(struct loader *l)
{
	struct loaded *loaded = secret_alloc(sizeof *loaded);
	int reason;

	if (loaded == NULL)
		return NULL;
	memset(loaded, 0, sizeof *loaded);
	if (receive(l->source.fd, loaded))
		return loaded;
	reason = errno;
	loaded->fault = CONTROL_FAULT_FAILED;
	loaded->snapshot = fd_close(loaded->snapshot);
	/* It waits for our word as long as it lives: no end of it to wait for. */
	if (reason != 0)
		snprintf(loaded->why.text, sizeof loaded->why.text,
		    "cannot hear the process that reads it: %s", strerror(reason));
	else
		say_how_it_ended(l, &loaded->why);
	return loaded;
}

void loader_end(struct loader *l, bool accepted)
{
	if (accepted && l->pid > 0 && send(l->source.fd, "", 1, MSG_NOSIGNAL) == 1)
		loop_wait_readable(l->source.fd, clock_boot_ns() + END_NS);
	l->source.fd = fd_close(l->source.fd);
	if (l->pid == 0)
		return;
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	l->pid = 0;
}

struct loaded *loader_run(struct loader *l, const struct load_task *task)
{
	if (!loader_start(l, task))
		return NULL;
	while (!loop_wait_readable(l->source.fd, clock_boot_ns() + NS_PER_SECOND)) {
		notify_manager(WAIT_LONGER);
		loader_check(l);
	}
	return loader_take(l);
}

void loaded_free(struct loaded *loaded)
{
	if (loaded != NULL)
		fd_close(loaded->snapshot);
	secret_free(loaded);
}
