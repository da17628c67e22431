#include "conf/schema.h"

#include "base/clock.h"
#include "conf/private.h"

const struct conf_word conf_firewall_words[] = {{"nft", CONF_FIREWALL_NFT},
    {"iptables", CONF_FIREWALL_IPTABLES}, {"none", CONF_FIREWALL_NONE}, {NULL, 0}};
const struct conf_word conf_guard_words[] = {
    {"ports", CONF_GUARD_PORTS}, {"all", CONF_GUARD_ALL}, {NULL, 0}};
const struct conf_word conf_hook_words[] = {{"input", CONF_HOOK_INPUT},
    {"prerouting", CONF_HOOK_PREROUTING}, {"forward", CONF_HOOK_FORWARD}, {NULL, 0}};
const struct conf_word conf_established_words[] = {
    {"keep", CONF_ESTABLISHED_KEEP}, {"cut", CONF_ESTABLISHED_CUT}, {NULL, 0}};
const struct conf_word conf_shield_words[] = {{"off", CONF_SHIELD_OFF},
    {"prefer", CONF_SHIELD_PREFER}, {"require", CONF_SHIELD_REQUIRE}, {NULL, 0}};
const struct conf_word conf_shield_at_words[] = {{"auto", CONF_SHIELD_AT_AUTO},
    {"xdp", CONF_SHIELD_AT_XDP}, {"socket", CONF_SHIELD_AT_SOCKET}, {"user", CONF_SHIELD_AT_USER},
    {NULL, 0}};
const struct conf_word conf_shutdown_words[] = {
    {"remove", CONF_SHUTDOWN_REMOVE}, {"keep", CONF_SHUTDOWN_KEEP}, {NULL, 0}};
const struct conf_word conf_host_chains_words[] = {{"auto", CONF_HOST_CHAINS_AUTO},
    {"all", CONF_HOST_CHAINS_ALL}, {"none", CONF_HOST_CHAINS_NONE}, {NULL, 0}};
/* As words, so that `config show` and the complaint about another name them. */
const struct conf_word conf_workers_words[] = {{"auto", CONF_WORKERS_AUTO}, {"1", 1}, {"2", 2},
    {"3", 3}, {"4", 4}, {"5", 5}, {"6", 6}, {"7", 7}, {"8", 8}, {"9", 9}, {"10", 10}, {"11", 11},
    {"12", 12}, {"13", 13}, {"14", 14}, {"15", 15}, {"16", CONF_WORKERS_MOST}, {NULL, 0}};

const struct conf_word conf_sandbox_words[] = {
    {"strict", CONF_SANDBOX_STRICT}, {"best", CONF_SANDBOX_BEST}, {NULL, 0}};
const struct conf_word conf_intake_words[] = {{"socket", CONF_INTAKE_SOCKET},
    {"capture", CONF_INTAKE_CAPTURE}, {"xdp", CONF_INTAKE_XDP}, {NULL, 0}};
const struct conf_word conf_notrack_words[] = {
    {"auto", CONF_NOTRACK_AUTO}, {"yes", CONF_NOTRACK_YES}, {"no", CONF_NOTRACK_NO}, {NULL, 0}};
const struct conf_word conf_answer_words[] = {{"always", CONF_ANSWER_ALWAYS},
    {"source-matches", CONF_ANSWER_SOURCE_MATCHES}, {"never", CONF_ANSWER_NEVER}, {NULL, 0}};

_Static_assert(CONF_FIREWALL_IPTABLES > CONF_FIREWALL_NONE, "a word of the file alone");

#define SECTION(name, fields)                                                \
	{                                                                    \
		name, fields, sizeof(fields) / sizeof *(fields), false, NULL \
	}
#define LOOSE_SECTION(name, fields, nested)                                   \
	{                                                                     \
		name, fields, sizeof(fields) / sizeof *(fields), true, nested \
	}

static const struct conf_field server_fields[] = {
#define X(...) CONF_FIELD(conf_server, __VA_ARGS__)
    CONF_SERVER_KEYS(X)
#undef X
};
static const struct conf_field client_fields[] = {
#define X(...) CONF_FIELD(conf_client, __VA_ARGS__)
    CONF_CLIENT_KEYS(X)
#undef X
};
static const struct conf_field openspa_fields[] = {
#define X(...) CONF_FIELD(conf_openspa, __VA_ARGS__)
    CONF_OPENSPA_KEYS(X)
#undef X
};
static const struct conf_field script_fields[] = {
#define X(...) CONF_FIELD(conf_scripts, __VA_ARGS__)
    CONF_SCRIPT_KEYS(X)
#undef X
};
static const struct conf_field helper_fields[] = {
#define X(...) CONF_FIELD(conf_helpers, __VA_ARGS__)
    CONF_HELPER_KEYS(X)
#undef X
};
static const struct conf_field device_fields[] = {
#define X(...) CONF_FIELD(conf_device, __VA_ARGS__)
    CONF_DEVICE_KEYS(X)
#undef X
};
const struct conf_section conf_server_section = SECTION("server", server_fields);
const struct conf_section conf_client_section = SECTION("clients", client_fields);

static const char *const openspa_nested[] = {"extension_scripts", "helpers", "clients", NULL};
const struct conf_section conf_openspa_section =
    LOOSE_SECTION("openspa", openspa_fields, openspa_nested);
const struct conf_section conf_script_section =
    LOOSE_SECTION("openspa.extension_scripts", script_fields, NULL);
const struct conf_section conf_helper_section =
    LOOSE_SECTION("openspa.helpers", helper_fields, NULL);
const struct conf_section conf_device_section =
    LOOSE_SECTION("openspa.clients", device_fields, NULL);
