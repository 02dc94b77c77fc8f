// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Servers for bench-load; see bench/weft/echo.c.

func echo(conn net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err == nil {
			_, err = conn.Write(buffer[:n])
		}
		if err != nil {
			conn.Close()
			return
		}
	}
}

func compute(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

func hog(calls bool) {
	if !calls {
		for {
			compute(time.Second)
		}
	}
	one, other, err := os.Pipe()
	byte1 := []byte{1}
	for err == nil {
		compute(20 * time.Microsecond)
		if _, err = other.Write(byte1); err == nil {
			_, err = one.Read(byte1)
		}
	}
}

func echoMeasure(name string) (float64, string, error) {
	workers, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(workers)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, "", err
	}
	if os.Args[1][:3] == "hog" {
		go hog(name == "calls")
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return 0, "", err
		}
		go echo(conn)
	}
}

func resident() (pages float64) {
	f, err := os.Open("/proc/self/statm")
	if err == nil {
		var all float64
		fmt.Fscan(f, &all, &pages)
		f.Close()
	}
	return pages
}

func parkedMeasure(name string) (float64, string, error) {
	const tasks = 100000
	workers, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(workers)
	var waiting, ended sync.WaitGroup
	var gate = make(chan struct{})
	before := resident()
	waiting.Add(tasks)
	ended.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			waiting.Done()
			<-gate
			ended.Done()
		}()
	}
	waiting.Wait()
	each := (resident() - before) * float64(os.Getpagesize()) / tasks
	close(gate)
	ended.Wait()
	return each, "B/task", nil
}
