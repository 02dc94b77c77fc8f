// SPDX-License-Identifier: MIT
// Peer: Boost.Context, the switch beneath Boost.Fiber and Boost.Coroutine2: a pair that
// takes turns.
#include "../../subject.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include <boost/context/fiber.hpp>

using boost::context::fiber;

static const std::uint64_t most = 100000000;
static std::uint64_t turns;

static double go_round(fiber &other, std::uint64_t rounds)
{
	double start = subject_now_ns();

	for (std::uint64_t i = 0; i < rounds; i++)
		other = std::move(other).resume();
	return subject_now_ns() - start;
}

int main(int argc, char **argv)
{
	if (argc != 4 || std::strcmp(argv[2], "pair") != 0)
		return subject_bad("usage: boost.context switch pair WORKERS");

	fiber other([](fiber &&home) {
		for (;;) {
			turns++;
			home = std::move(home).resume();
		}
		return std::move(home);
	});
	std::uint64_t small = most / 100;
	double took = go_round(other, small);
	std::uint64_t rounds = subject_count(small * 2, took, most, 2) / 2;

	took = go_round(other, rounds);
	if (turns != small + rounds)
		return subject_bad("%" PRIu64 " turns of %" PRIu64, turns, small + rounds);
	return subject_ok(took / static_cast<double>(rounds * 2), "ns/switch");
}
