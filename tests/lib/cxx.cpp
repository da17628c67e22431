// postern.h as C++ sees it: every call is used once, with C++'s stricter rules on types.
#include <postern.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

static bool round_trip()
{
	std::array<std::uint8_t, POSTERN_KEY_BYTES> server_secret{{1}}, seed{{2}}, client{};
	std::array<std::uint8_t, POSTERN_KNOCK_BYTES> knock{};
	std::array<std::uint8_t, POSTERN_SEAL_KEY_BYTES> key{};
	postern_options options{};
	postern_contents said{};

	options.size = sizeof options;
	postern_server_public(options.server_public, server_secret.data());
	postern_client_secret_from_seed(options.client_secret, seed.data());
	postern_client_public(client.data(), seed.data());
	return postern_client_public_check(client.data()) == POSTERN_OK &&
	       postern_server_public_check(options.server_public) == POSTERN_OK &&
	       postern_address_from_text(options.target, "203.0.113.5") == POSTERN_OK &&
	       postern_knock_build(knock.data(), &options) == POSTERN_OK &&
	       postern_knock_unseal(key.data(), server_secret.data(), knock.data(), knock.size()) ==
	           POSTERN_OK &&
	       postern_knock_open(&said, key.data(), knock.data(), knock.size()) == POSTERN_OK &&
	       postern_knock_verify(client.data(), knock.data(), knock.size()) == POSTERN_OK &&
	       std::memcmp(said.target, options.target, sizeof said.target) == 0;
}

static bool refusals()
{
	std::array<std::uint8_t, POSTERN_CLIENT_SECRET_BYTES> secret{};
	std::array<std::uint8_t, POSTERN_KNOCK_BYTES> knock{};
	std::array<std::uint8_t, POSTERN_ADDRESS_BYTES> own{};
	std::array<char, POSTERN_BASE64_BYTES(POSTERN_KEY_BYTES)> text{};
	postern_ingredients ingredients{};
	postern_options options{};
	postern_report report{};
	sockaddr nowhere{};

	report.size = sizeof report;
	return postern_knock_hint(&ingredients) == POSTERN_BAD_ARGUMENT &&
	       postern_knock_seal(knock.data(), &ingredients) == POSTERN_BAD_ARGUMENT &&
	       postern_knock_send(knock.data(), &nowhere, sizeof nowhere) == POSTERN_BAD_ARGUMENT &&
	       postern_knock_shield(&ingredients, secret.data()) == POSTERN_BAD_ARGUMENT &&
	       postern_own_address(own.data(), &nowhere, sizeof nowhere) == POSTERN_BAD_ARGUMENT &&
	       postern_knock(&options, "127.0.0.1", 9, &report) == POSTERN_BAD_ARGUMENT &&
	       postern_client_secret_from_base64(secret.data(), "?") == POSTERN_BAD_KEY &&
	       postern_key_to_base64(text.data(), text.size(), secret.data(), 32) == POSTERN_OK &&
	       postern_key_from_base64(secret.data(), 32, text.data()) == POSTERN_OK &&
	       std::string("success") == postern_strerror(POSTERN_OK);
}

int main()
{
	bool fine = round_trip() && refusals();

	std::puts(fine ? "fine" : "not fine");
	return fine ? 0 : 1;
}
