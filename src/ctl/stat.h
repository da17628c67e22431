/* Names of STAT records, as STATS is answered: verdicts by theirs (admit/verdict.h), what the
 * shield in the kernel counts as shield-PLACE-NAME (bpf/kernel_shield.h), CONTROL_GUARD,
 * CONTROL_SHIELD and CONTROL_INTAKE, and these. What ends in a hyphen is the beginning of several.
 */
#ifndef CTL_STAT_H
#define CTL_STAT_H

#include "ctl/control.h"

/* Counted since the start, but for what is marked. */
#define STAT_RECEIVED         "datagrams-received"
#define STAT_QUEUE_DROPPED    "datagrams-lost" /* before they were read */
#define STAT_COPIES           "copies-dropped"
#define STAT_BUDGET           "budget-spent-" /* of which: waiting, known, trial, openspa */
#define STAT_LOG_LINES        "log-lines-left-out"
#define STAT_GRANTS           "grants" /* now */
#define STAT_GRANTS_OPENED    "grants-opened"
#define STAT_FIREWALL         "firewall" /* now: 1 in force, 0 not; not told without one */
#define STAT_FIREWALL_REPAIRS "firewall-repairs"
#define STAT_OPEN_US          "open-us-" /* of which a limit in microseconds, in order, or: */
#define STAT_OPEN_MORE        "open-us-more"
#define STAT_OPEN_NS          "open-ns" /* sum of those times */
#define STAT_CLIENTS          "clients" /* now, as all that follow */
#define STAT_DEVICES          "devices"
#define STAT_DOORMEN          "doormen"
#define STAT_UP               "up-"           /* of which a role that runs: 1 it answers, 0 not */
#define STAT_WITHOUT          "without-"      /* of which a layer of the sandbox: 1 it lacks */
#define STAT_START            "start-time-s"  /* since the Unix epoch */
#define STAT_RELOAD           "reload-time-s" /* the last one's; 0: none yet */
#define STAT_RELOAD_OK        "reload-ok"     /* 1, or 0: the last one was refused */
#define STAT_RELOADS          "reloads"       /* since the start */
#define STAT_RELOADS_REFUSED  "reloads-refused"
#define STAT_VERSION          "version-" /* of which the version; the value is 1 */

#endif
