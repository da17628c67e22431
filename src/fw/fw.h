/* The firewall as the keeper sees it: changes in, outcomes out, at once or later. Back-ends stand
 * in one table, chosen at run time by the configuration; one that asks programs to open and shut is
 * the keeper's own (keeper/rules.h). */
#ifndef FW_FW_H
#define FW_FW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "grant/opening.h"
#include "snapshot/snapshot.h"

#define FW_RANGES       256 /* distinct port ranges (address family, ports) at once */
#define FW_CHANGES_MOST 64  /* in one transaction */

/* Who asked and how, for back-ends that tell a program. Of what is closed only the device counts.
 */
struct fw_request {
	const uint8_t *device; /* DEVICE_UUID_BYTES */
	struct addr server;    /* that the client meant */
	uint16_t duration_s;
	bool behind_nat;
};

/* The outcome of a change that is not decided yet. */
#define FW_LATER 1

/* One change. `opening` is opened, or refreshed: its end is set to until_ns, so of an opening held
 * by several give the latest; or it is closed before its end, which is fine when it is gone
 * already. An opening only lets by what something else would stop: a port that neither we nor the
 * host's chains guard is open before, during and after. Openings that overlap without being the
 * same do not touch each other. */
struct fw_change {
	struct opening opening;
	const char *owner; /* CLIENT_NAME_BYTES, shown beside the element */
	struct fw_request request;
	bool close;
	/* Nothing of it is open, as far as the caller knows: a back-end may then open in a way that
	 * is cheaper, as long as it notices where that is wrong. */
	bool fresh;
	/* Set by the back-end: 0 done, FW_LATER, or a negative errno (-EBUSY: too much at once). */
	int outcome;
	void *waiting; /* given back with the outcome, when that comes later */
};

struct fw;

/* All calls return 0 or a negative errno, unless said otherwise, and have logged why they failed.
 * What a back-end has no use for may be NULL, but for change and remove. */
struct fw_ops {
	const char *name;
	/* What it opens stays open until it is closed, and `outcome` below is used: a program does
	 * it. Otherwise everything ends by itself, whatever becomes of this process. */
	bool by_program;
	/* Opens what the back-end needs (sockets), but for `fd`, as in fw_open; afterwards it opens
	 * nothing more. */
	int (*open)(struct fw *fw, const char *boot_id, int fd);
	void (*close)(struct fw *fw);
	/* Puts the whole rule set for `s` in place with `count` openings, in one transaction that
	 * replaces what was there. On failure the rules and the policies of the last success stay
	 * in force. Then the host's chains are told to let marked packets by, as far as they let
	 * us: what fails of that is only logged. Of two openings for the same the longer one
	 * counts; those that name their ports count only where OpenSPA is on with the native
	 * firewall, and the first FW_RANGES distinct ranges of them (what is left out is logged).
	 * The snapshot is only read during the call. */
	int (*install)(
	    struct fw *fw, const struct snapshot *s, const struct fw_change *open, size_t count);
	/* Up to FW_CHANGES_MOST changes in one transaction, without a gap. On failure none of them
	 * took effect; -ENOENT: our rules are gone, install them; -EINVAL: one opens what cannot
	 * be, or what is installed has no place for; -ENOSPC: more distinct ranges would be open
	 * than FW_RANGES. On success the outcome of each is in it. */
	int (*change)(struct fw *fw, struct fw_change *changes, size_t count);
	/* Takes away all that we have put there. What programs have opened goes by and by: see
	 * `pending`. */
	int (*remove)(struct fw *fw);
	/* Hands over the openings that a predecessor left, those of policies for the policies of
	 * `s`; their holder is not set. Both pointers live during the call of `found`. */
	int (*adopt)(struct fw *fw, const struct snapshot *s,
	    void (*found)(void *context, const struct opening *o, const char *owner),
	    void *context);
	/* A descriptor that becomes readable when somebody else changes the rule set; -1: none. */
	int (*watch)(struct fw *fw);
	/* Reads what is to be read there. True when our rules are not as installed any more. */
	bool (*disturbed)(struct fw *fw);
	/* True when rules of ours stand, whoever of us has put them there. */
	bool (*stands)(struct fw *fw);
	/* A second has passed. */
	void (*tick)(struct fw *fw);
	/* How much there is that a program has to shut yet. */
	uint32_t (*pending)(const struct fw *fw);
};

struct fw {
	const struct fw_ops *ops;
	void *state; /* the back-end's own */
	/* Told once of each change that was answered FW_LATER. -ECANCELED: it was closed meanwhile.
	 */
	void (*outcome)(void *context, void *waiting, int error);
	void *context;
};

/* Chooses the back-end; `open` has been called on success. `boot_id`: as clock_boot_id says it; ""
 * where it is not known, and then nothing is taken for ours. Used during the call only. `fd`: the
 * socket of a predecessor, which owns what it has put in place, or one that is new; the back-end's
 * from now on. -1: none. */
int fw_open(struct fw *fw, enum conf_firewall which, const char *boot_id, int fd);
void fw_close(struct fw *fw);

/* The text of the rule set that install would apply, without what is open, as for `nft -f`.
 * Allocated, the caller's to free; NULL with errno when memory is short (ENOMEM) or a name, port or
 * network in it is none (EINVAL). */
char *fw_nft_ruleset(const struct snapshot *s);

/* For a dry run: prints, as for `nft -f`, what install would do to the host's chains, and what
 * remove would do. Nothing is changed. 0 or a negative errno; -EPERM: only root may look. */
int fw_nft_tell_install(const struct settings *set, FILE *to);
int fw_nft_tell_remove(FILE *to);

extern const struct fw_ops fw_nft_ops;
extern const struct fw_ops fw_none_ops;

#endif
