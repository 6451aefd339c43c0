// Package e2e holds the tests that look at Signet from outside: the images, the shipped docker-compose.yml and the
// binaries, started as a user starts them and spoken to over their public wire formats.
//
// It has no code of its own and imports none of the product's, so that a mistake that the product makes on both ends
// shows here. What a single package promises is tested beside that package.
//
// The tests need a Docker engine with the compose plugin, and strace. Where one is missing they are skipped, loudly;
// with REQUIRE_DOCKER=1 they fail instead. RECEIVER_PORT, RECEIVER_ADMIN_PORT, PRODUCER_PORT and PRODUCER_ADMIN_PORT
// fix the host ports of the composed services, which are otherwise free ones.
package e2e
