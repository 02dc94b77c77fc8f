// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sleepers   = 1000000
	roundsMost = 20000000
)

// peak is the most resident memory that the process had, in MiB.
func peak() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("no VmHWM in /proc/self/status")
}

func sleepersRun(name string) (time.Duration, error) {
	if name != "1e6" {
		return 0, fmt.Errorf("there is no case sleepers/%s", name)
	}
	var done sync.WaitGroup
	var early uint64
	start := time.Now()
	done.Add(sleepers)
	for i := 0; i < sleepers; i++ {
		go func(span time.Duration) {
			until := time.Now().Add(span)
			time.Sleep(span)
			if time.Now().Before(until) {
				atomic.AddUint64(&early, 1)
			}
			done.Done()
		}(time.Duration(i%1000+1) * time.Millisecond)
	}
	done.Wait()
	took := time.Since(start)
	if early > 0 {
		return took, fmt.Errorf("%d woke early", early)
	}
	return took, nil
}

func sleepersMeasure(name string) (float64, string, error) {
	took, err := sleepersRun(name)
	return float64(took.Nanoseconds()) / 1e6, "ms", err
}

func sleepersMemoryMeasure(name string) (float64, string, error) {
	if _, err := sleepersRun(name); err != nil {
		return 0, "", err
	}
	mib, err := peak()
	return mib, "MiB", err
}

// receiveUntil gives up after a second if it is timed.
func receiveUntil(ch <-chan uint64, timed bool) (uint64, bool) {
	if !timed {
		return <-ch, true
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v, true
	case <-timer.C:
		return 0, false
	}
}

func play(rounds uint64, timed bool) (time.Duration, error) {
	there, back := make(chan uint64, 1), make(chan uint64, 1)
	start := time.Now()
	go func() {
		for i := uint64(0); i < rounds; i++ {
			v, _ := receiveUntil(there, timed)
			back <- v + 1
		}
	}()
	var value uint64
	for i := uint64(0); i < rounds; i++ {
		there <- value
		var ok bool
		if value, ok = receiveUntil(back, timed); !ok {
			break
		}
	}
	took := time.Since(start)
	if value != rounds {
		return took, fmt.Errorf("a message was lost, or came too late")
	}
	return took, nil
}

func timersMeasure(name string) (float64, string, error) {
	if name != "recv_timeout" && name != "recv_plain" {
		return 0, "", fmt.Errorf("there is no case timers/%s", name)
	}
	runtime.GOMAXPROCS(1)
	timed := name == "recv_timeout"
	small := uint64(roundsMost / 50)
	took, err := play(small, timed)
	if err != nil {
		return 0, "", err
	}
	n := count(small, took, roundsMost, 1)
	took, err = play(n, timed)
	return float64(took.Nanoseconds()) / float64(n), "ns/round", err
}
