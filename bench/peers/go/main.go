// SPDX-License-Identifier: MIT

// Peer: Go - its channels and sync.Mutex, between goroutines on as many CPUs
// as the runtime takes by itself. Protocol, rules and arithmetic are those of
// bench/subject.h, which explains them.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	runNS          = 250e6
	mutexMostAlone = 20000000
	mutexMost      = 4000000
)

// count tells how many operations the measured run does.
func count(done uint64, took time.Duration, most, step uint64) uint64 {
	n := most
	if want := runNS * float64(done) / float64(took.Nanoseconds()+1); want < float64(most) {
		n = uint64(want)
	}
	if n < most/40 {
		n = most / 40
	}
	return n - n%step
}

type channel struct {
	capacity, senders, receivers int
	most                         uint64
}

func channelParse(name string) (c channel, err error) {
	_, err = fmt.Sscanf(name, "cap%d_%dto%d", &c.capacity, &c.senders, &c.receivers)
	if err == nil && (c.senders < 1 || c.receivers < 1) {
		err = fmt.Errorf("a channel needs both ends")
	}
	c.most = 4000000
	if c.capacity < 16 {
		c.most = 400000
	}
	return c, err
}

func send(ch chan<- uint64, first, block uint64, done *sync.WaitGroup) {
	defer done.Done()
	for v := first; v < first+block; v++ {
		ch <- v
	}
}

type total struct{ seen, sum uint64 }

func receive(ch <-chan uint64, totals chan<- total) {
	var t total
	for v := range ch {
		t.seen++
		t.sum += v
	}
	totals <- t
}

// channelRun sends 1 .. n, each sender a block, and counts what arrives.
func channelRun(c channel, n uint64) (time.Duration, error) {
	var senders sync.WaitGroup
	ch := make(chan uint64, c.capacity)
	totals := make(chan total, c.receivers)
	block := n / uint64(c.senders)
	start := time.Now()
	for i := 0; i < c.senders; i++ {
		senders.Add(1)
		go send(ch, uint64(i)*block+1, block, &senders)
	}
	for i := 0; i < c.receivers; i++ {
		go receive(ch, totals)
	}
	senders.Wait()
	close(ch)
	var all total
	for i := 0; i < c.receivers; i++ {
		t := <-totals
		all.seen += t.seen
		all.sum += t.sum
	}
	took := time.Since(start)
	if all.seen != n || all.sum != n*(n+1)/2 {
		return took, fmt.Errorf("%d messages with sum %d arrived of %d sent",
			all.seen, all.sum, n)
	}
	return took, nil
}

func channelMeasure(name string) (float64, string, error) {
	c, err := channelParse(name)
	if err != nil {
		return 0, "", fmt.Errorf("there is no case channel/%s for Go", name)
	}
	step := uint64(c.senders)
	small := c.most / 50 / step * step
	took, err := channelRun(c, small)
	if err != nil {
		return 0, "", err
	}
	n := count(small, took, c.most, step)
	took, err = channelRun(c, n)
	return float64(took.Nanoseconds()) / float64(n), "ns/message", err
}

type guarded struct {
	lock       sync.Mutex
	count, mix uint64
}

func mutexSeed(thread uint64) uint64 { return (thread + 1) * 0x9e3779b97f4a7c15 }

func mutexWork(x uint64) uint64 {
	for i := 0; i < 8; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func mutexAlone(g *guarded, n uint64) time.Duration {
	start := time.Now()
	for i := uint64(0); i < n; i++ {
		g.lock.Lock()
		g.count++
		g.lock.Unlock()
	}
	return time.Since(start)
}

func contend(g *guarded, x, each uint64, done *sync.WaitGroup) {
	defer done.Done()
	for i := uint64(0); i < each; i++ {
		g.lock.Lock()
		g.count++
		g.mix ^= x
		g.lock.Unlock()
		x = mutexWork(x)
	}
}

func mutexTogether(threads, each uint64) (time.Duration, error) {
	var g guarded
	var done sync.WaitGroup
	start := time.Now()
	for t := uint64(0); t < threads; t++ {
		done.Add(1)
		go contend(&g, mutexSeed(t), each, &done)
	}
	done.Wait()
	took := time.Since(start)
	var mix uint64
	for t := uint64(0); t < threads; t++ {
		x := mutexSeed(t)
		for i := uint64(0); i < each; i++ {
			mix ^= x
			x = mutexWork(x)
		}
	}
	if g.count != threads*each || g.mix != mix {
		return took, fmt.Errorf("the count or the mix under the lock is wrong")
	}
	return took, nil
}

func mutexMeasure(name string) (float64, string, error) {
	var threads, n uint64
	if name == "uncontended" {
		var g guarded
		small := uint64(mutexMostAlone / 50)
		n = count(small, mutexAlone(&g, small), mutexMostAlone, 1)
		took := mutexAlone(&g, n)
		if g.count != small+n {
			return 0, "", fmt.Errorf("the count under the lock is wrong")
		}
		return float64(took.Nanoseconds()) / float64(n), "ns/lock", nil
	}
	if _, err := fmt.Sscanf(name, "threads%d", &threads); err != nil || threads < 1 {
		return 0, "", fmt.Errorf("there is no case mutex/%s", name)
	}
	each := mutexMost / 50 / threads
	took, err := mutexTogether(threads, each)
	if err != nil {
		return 0, "", err
	}
	n = count(each*threads, took, mutexMost, threads)
	took, err = mutexTogether(threads, n/threads)
	return float64(took.Nanoseconds()) / float64(n), "ns/lock", err
}

func main() {
	if len(os.Args) != 4 {
		fmt.Println("bad usage: go BENCH CASE WORKERS")
		return
	}
	measure := map[string]func(string) (float64, string, error){
		"channel":         channelMeasure,
		"echo":            echoMeasure,
		"echo_cpu":        echoMeasure,
		"fibers":          fibersMeasure,
		"hog_p50":         echoMeasure,
		"hog_p99":         echoMeasure,
		"idle_cpu":        echoMeasure,
		"idle_memory":     echoMeasure,
		"mutex":           mutexMeasure,
		"parked":          parkedMeasure,
		"sleepers":        sleepersMeasure,
		"sleepers_memory": sleepersMemoryMeasure,
		"timers":          timersMeasure,
	}[os.Args[1]]
	if measure == nil {
		fmt.Printf("skip there is no Go peer for %s\n", os.Args[1])
		return
	}
	value, unit, err := measure(os.Args[2])
	if err != nil {
		fmt.Println("bad", err)
		return
	}
	fmt.Println("ok", value, unit)
}
