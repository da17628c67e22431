/* The certificate and its private key, as PEM text for the TLS library. */
#ifndef ECHOIP_PEM_H
#define ECHOIP_PEM_H

struct pem {
	char *cert; /* both in locked memory; NULL: no HTTPS */
	char *key;
};

/* Reads both files; each is opened once, and judged and read by that descriptor. A key that others
 * may read, or that group or others may change, is refused. EXIT_DONE, or the status to leave with,
 * after having logged why. */
int pem_read(struct pem *p, const char *cert_path, const char *key_path);
/* Wipes both. */
void pem_forget(struct pem *p);

#endif
