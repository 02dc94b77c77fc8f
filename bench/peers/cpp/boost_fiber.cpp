// SPDX-License-Identifier: MIT
// Peer: Boost.Fiber, whose default scheduler runs the fibers of one thread. Its fibers
// are made with a stack each and run at once or later; they are joined one by one.
#include "../../subject.h"

#include <cstdint>
#include <vector>

#include <boost/fiber/all.hpp>

namespace fibers = boost::fibers;

static const std::uint64_t yields_most = 200000000, rounds_most = 20000000;
static std::uint64_t done;

// A thousand at a time: a million stacks at once are more than the system gives it.
static double spawn(std::uint64_t count)
{
	std::vector<fibers::fiber> some;
	double start = subject_now_ns();

	done = 0;
	while (done < count) {
		some.clear();
		for (int i = 0; i < 1000; i++)
			some.emplace_back([] { done++; });
		for (auto &fiber : some)
			fiber.join();
	}
	return subject_now_ns() - start;
}

static double yield(std::uint64_t count)
{
	auto both = [count] {
		for (std::uint64_t i = 0; i < count / 2; i++)
			boost::this_fiber::yield();
		done += count / 2;
	};
	double start = subject_now_ns();

	done = 0;
	fibers::fiber one(both), two(both);
	one.join();
	two.join();
	return subject_now_ns() - start;
}

static double pingpong(std::uint64_t count)
{
	// Two is the least capacity that it allows, and one is kept free.
	fibers::buffered_channel<std::uint64_t> there(2), back(2);
	fibers::fiber other([&, count] {
		std::uint64_t value;
		for (std::uint64_t i = 0; i < count; i++) {
			there.pop(value);
			back.push(value + 1);
		}
	});
	std::uint64_t value = 0;
	double start = subject_now_ns();

	for (std::uint64_t i = 0; i < count; i++) {
		there.push(value);
		back.pop(value);
	}
	other.join();
	done = value;
	return subject_now_ns() - start;
}

static int measure(double (*run)(std::uint64_t), std::uint64_t most, const char *unit)
{
	std::uint64_t count = most ? most / 50 : 1000000;
	double took = run(count);

	if (most)
		count = subject_count(count, took, most, 2);
	took = run(count);
	if (done != count)
		return subject_bad("%" PRIu64 " of %" PRIu64 " were done", done, count);
	return subject_ok(took / (double)count, unit);
}

int main(int argc, char **argv)
{
	if (argc != 4 || strcmp(argv[1], "fibers") != 0)
		return subject_bad("usage: SUBJECT fibers CASE WORKERS");
	if (atoi(argv[3]) != 1)
		return subject_skip("its fibers stay on the thread that made them");
	if (strcmp(argv[2], "spawn") == 0 || strcmp(argv[2], "spawn_handles") == 0)
		return measure(spawn, 0, "ns");
	if (strcmp(argv[2], "yield") == 0)
		return measure(yield, yields_most, "ns");
	if (strcmp(argv[2], "pingpong") == 0)
		return measure(pingpong, rounds_most, "ns");
	return subject_bad("there is no case %s", argv[2]);
}
