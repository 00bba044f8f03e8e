// Command primes counts the primes up to a limit.
//
// It exits 2 where the limit is wrong, which another attempt does not mend, and 75 where ECS stops it, which one may.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

const (
	wrongLimit = 2
	tryAgain   = 75
	most       = 100_000_000
)

func main() {
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM)
	go func() {
		<-stopped
		os.Exit(tryAgain)
	}()

	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: primes LIMIT")
		os.Exit(wrongLimit)
	}
	limit, err := strconv.Atoi(os.Args[1])
	if err != nil || limit < 0 || limit > most {
		fmt.Fprintf(os.Stderr, "%q is no limit: give 0 to %d\n", os.Args[1], most)
		os.Exit(wrongLimit)
	}
	fmt.Printf("%s: %d primes up to %d\n", os.Getenv("TASK_NAME"), count(limit), limit)
}

// count is the number of primes up to a limit, by the sieve of Eratosthenes.
func count(limit int) int {
	composite := make([]bool, limit+1)
	primes := 0
	for n := 2; n <= limit; n++ {
		if composite[n] {
			continue
		}
		primes++
		for multiple := n * n; multiple <= limit; multiple += n {
			composite[multiple] = true
		}
	}
	return primes
}
