// postern-openspa.h as C++ sees it: every call is used once, with C++'s stricter rules on types.
#include <postern-openspa.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include <openssl/pem.h>
#include <openssl/rsa.h>

// A key pair that serves as both sides.
struct Keys {
	postern_openspa_private *own = nullptr;
	postern_openspa_public *half = nullptr;

	Keys()
	{
		EVP_PKEY *made = EVP_RSA_gen(2048);
		BIO *secret = BIO_new(BIO_s_mem()), *open = BIO_new(BIO_s_mem());
		char *text = nullptr;

		PEM_write_bio_PrivateKey(secret, made, nullptr, nullptr, 0, nullptr, nullptr);
		PEM_write_bio_PUBKEY(open, made);
		long size = BIO_get_mem_data(secret, &text);
		if (postern_openspa_private_from_pem(&own, text, size, nullptr) != POSTERN_OK)
			own = nullptr;
		size = BIO_get_mem_data(open, &text);
		if (postern_openspa_public_from_pem(&half, text, size) != POSTERN_OK)
			half = nullptr;
		BIO_free(secret);
		BIO_free(open);
		EVP_PKEY_free(made);
	}
	Keys(const Keys &) = delete;
	Keys &operator=(const Keys &) = delete;
	~Keys()
	{
		postern_openspa_private_free(own);
		postern_openspa_public_free(half);
	}
};

static postern_openspa_request some_request()
{
	postern_openspa_request request{};

	request.protocol = POSTERN_OPENSPA_UDP;
	request.first_port = 1;
	request.last_port = 65535;
	request.behind_nat = true;
	return request;
}

static bool request_round_trip(const Keys &keys)
{
	std::array<std::uint8_t, POSTERN_OPENSPA_REQUEST_BYTES> packet{}, again{};
	std::array<std::uint8_t, POSTERN_OPENSPA_KEY_BYTES> key{};
	std::array<std::uint8_t, POSTERN_OPENSPA_REPLAY_BYTES> id{};
	postern_openspa_request request = some_request(), said{};
	postern_openspa_proof proof{};
	postern_openspa_randomness randomness{};

	std::memset(&randomness, 1, sizeof randomness);
	bool fine =
	    postern_openspa_request_build(packet.data(), &request, keys.own, keys.half) == POSTERN_OK &&
	    postern_openspa_request_seal(again.data(), &request, keys.own, keys.half, &randomness) ==
	        POSTERN_OK &&
	    postern_openspa_request_unseal(key.data(), keys.own, packet.data(), packet.size()) ==
	        POSTERN_OK &&
	    postern_openspa_request_open(&said, &proof, key.data(), packet.data(), packet.size()) ==
	        POSTERN_OK &&
	    postern_openspa_request_verify(&proof, keys.half) == POSTERN_OK;
	postern_openspa_request_id(id.data(), &proof);
	return fine && said.behind_nat && said.last_port == 65535 && id[0] + id[1] + id[2] != 0;
}

static bool response_round_trip(const Keys &keys)
{
	std::array<std::uint8_t, POSTERN_OPENSPA_RESPONSE_BYTES> packet{};
	postern_openspa_response response{}, said{};
	postern_openspa_randomness randomness{};

	response.protocol = POSTERN_OPENSPA_ICMPV6;
	response.duration_s = 30;
	return postern_openspa_response_seal(
	           packet.data(), &response, keys.own, keys.half, &randomness) == POSTERN_BAD_ARGUMENT &&
	       postern_openspa_response_build(packet.data(), &response, keys.own, keys.half) ==
	           POSTERN_OK &&
	       postern_openspa_response_open(&said, keys.own, keys.half, packet.data(), packet.size()) ==
	           POSTERN_OK &&
	       said.duration_s == 30 &&
	       std::string("key is encrypted, and no passphrase was given") ==
	           postern_strerror(POSTERN_LOCKED);
}

int main()
{
	Keys keys;
	bool fine = keys.own != nullptr && keys.half != nullptr && request_round_trip(keys) &&
	            response_round_trip(keys);

	std::puts(fine ? "fine" : "not fine");
	return fine ? 0 : 1;
}
