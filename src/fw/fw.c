#include "fw/fw.h"

#include <errno.h>

#include "base/log.h"

static const struct fw_ops *const back_ends[] = {
    [CONF_FIREWALL_NFT] = &fw_nft_ops,
    [CONF_FIREWALL_NONE] = &fw_none_ops,
};

int fw_open(struct fw *fw, enum conf_firewall which, const char *boot_id, int fd)
{
	int err = 0;

	*fw = (struct fw){0};
	if ((size_t)which >= sizeof back_ends / sizeof *back_ends) {
		log_line(LOG_LEVEL_ERROR, "no firewall back-end has the number %d", (int)which);
		return -EINVAL;
	}
	fw->ops = back_ends[which];
	if (fw->ops->open != NULL)
		err = fw->ops->open(fw, boot_id, fd);
	if (err != 0)
		*fw = (struct fw){0};
	return err;
}

void fw_close(struct fw *fw)
{
	if (fw->ops != NULL && fw->ops->close != NULL)
		fw->ops->close(fw);
	*fw = (struct fw){0};
}
