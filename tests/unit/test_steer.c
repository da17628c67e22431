/* Which doorman gets a datagram: filters of the kernel's and the function that BPF programs share
 * choose the same. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/secret.h"
#include "intake/steer.h"

#define DATAGRAM_BYTES 32

/* Gets those of one number. */
struct receiver {
	int far, fd;
};

static struct receiver open_receiver(const struct steer_key *key, uint32_t count, uint32_t number)
{
	struct sock_filter steps[1 + STEER_STEPS + 3] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, STEER_KNOCKS),
	    [1 + STEER_STEPS] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, DATAGRAM_BYTES),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
	int ends[2];

	steer_put_steps(steps + 1, key, count);
	assert_return_code(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), errno);
	assert_return_code(
	    setsockopt(ends[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), errno);
	return (struct receiver){ends[0], ends[1]};
}

static void filters_choose_as_programs_do(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 16};

	(void)state;
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		const struct steer_key key = steer_new_key();
		struct receiver all[16];

		for (uint32_t i = 0; i < counts[c]; i++)
			all[i] = open_receiver(&key, counts[c], i);
		for (int turn = 0; turn < 200; turn++) {
			uint8_t datagram[DATAGRAM_BYTES], got[DATAGRAM_BYTES];
			uint32_t word, number;

			secret_random(datagram, sizeof datagram);
			memcpy(&word, datagram + STEER_KNOCKS, sizeof word);
			number = steer_choice(key.mask, key.factor, counts[c], ntohl(word));
			for (uint32_t i = 0; i < counts[c]; i++) {
				assert_int_equal(send(all[i].far, datagram, sizeof datagram, 0),
				    sizeof datagram);
				assert_int_equal(recv(all[i].fd, got, sizeof got, MSG_DONTWAIT),
				    i == number ? DATAGRAM_BYTES : -1);
			}
		}
		for (uint32_t i = 0; i < counts[c]; i++) {
			close(all[i].far);
			close(all[i].fd);
		}
	}
}

static void each_gets_a_share(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 16; count++) {
		const struct steer_key key = steer_new_key();
		uint32_t got[16] = {0};

		for (int i = 0; i < 4096; i++) {
			uint32_t word;

			secret_random(&word, sizeof word);
			got[steer_choice(key.mask, key.factor, count, word)]++;
		}
		for (uint32_t i = 0; i < count; i++)
			assert_true(got[i] > 4096 / count / 2);
	}
}

static void a_key_is_read_back(void **state)
{
	const struct steer_key key = steer_new_key();
	struct sock_filter steps[STEER_STEPS];
	struct steer_key found;

	(void)state;
	steer_put_steps(steps, &key, 3);
	assert_true(steer_key_of(&found, steps));
	assert_memory_equal(&found, &key, sizeof key);
	/* With an even factor words that differ in their highest bit alone are the same. */
	steer_put_steps(steps, &(struct steer_key){key.mask, key.factor - 1}, 3);
	assert_false(steer_key_of(&found, steps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(filters_choose_as_programs_do),
	    cmocka_unit_test(each_gets_a_share),
	    cmocka_unit_test(a_key_is_read_back),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
