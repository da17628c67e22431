#include "explain/rule.h"

bool evaluation_sure(const struct evaluation *e)
{
	return e->reached && e->result.matches == ANSWER_YES;
}

void evaluation_match(struct evaluation *e, enum answer answer, const char *what)
{
	e->result.matches = answer_both(e->result.matches, answer);
	if (answer == ANSWER_MAY && e->result.unsure == NULL)
		e->result.unsure = what;
}

void evaluation_verdict(struct evaluation *e, uint32_t code, const char *target)
{
	e->result.decides = true;
	e->result.code = code;
	e->result.target = target;
}

void evaluation_translate(struct evaluation *e, const struct addr *to, uint16_t port)
{
	struct packet *p = e->packet;

	evaluation_verdict(e, NF_ACCEPT, NULL);
	if (to == NULL || !evaluation_sure(e) || addr_is_v4(to) != packet_is_v4(p)) {
		p->lost = true;
		return;
	}
	if (!addr_equal(&p->target, to))
		p->target_type = 0;
	p->target = *to;
	p->port = port != 0 ? port : p->port;
	p->translated = true;
}
