// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fibers     = 1000000
	yieldsMost = 200000000
)

func fibersSpawn(n uint64) (time.Duration, error) {
	var group sync.WaitGroup
	var done uint64
	start := time.Now()
	for i := uint64(0); i < n; i++ {
		group.Add(1)
		go func() {
			atomic.AddUint64(&done, 1)
			group.Done()
		}()
	}
	group.Wait()
	took := time.Since(start)
	if done != n {
		return took, fmt.Errorf("%d of %d ran", done, n)
	}
	return took, nil
}

func fibersYield(n uint64) (time.Duration, error) {
	var group sync.WaitGroup
	start := time.Now()
	group.Add(2)
	for k := 0; k < 2; k++ {
		go func() {
			for i := uint64(0); i < n/2; i++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
	return time.Since(start), nil
}

func fibersPingpong(n uint64) (time.Duration, error) {
	return play(n, false)
}

func fibersMeasure(name string) (float64, string, error) {
	workers, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(workers)
	var run func(uint64) (time.Duration, error)
	var most uint64
	unit := "ns"
	switch name {
	case "spawn":
		run = fibersSpawn
	case "yield":
		run, most, unit = fibersYield, yieldsMost, "ns"
	case "pingpong":
		run, most, unit = fibersPingpong, roundsMost, "ns"
	default:
		return 0, "", fmt.Errorf("there is no case fibers/%s", name)
	}
	n := uint64(fibers)
	if most > 0 {
		n = most / 50
	}
	took, err := run(n)
	if err != nil {
		return 0, "", err
	}
	if most > 0 {
		n = count(n, took, most, 2)
	}
	took, err = run(n)
	return float64(took.Nanoseconds()) / float64(n), unit, err
}
