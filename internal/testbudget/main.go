// Command testbudget runs `go test -json` and holds every package to the seconds
// that it may take.
//
// It decides whether a test run was good: it fails when a test failed, when a
// package took longer than its budget, or when the whole run did. Input are the
// events of `go test -json` (see `go doc test2json`) and a file of budgets;
// output is one line for each package, what failing tests had to say, and how
// many tests were skipped and why.
//
// With -again, a test that failed gets one more try, alone: tests that measure a
// real browser on a shared machine can miss a bound by chance, and so can those of
// real PeerConnections in virtual time, which are not repeatable bit for bit. What held only then
// is named at the end. A second try never makes up for a panic, a package over
// its budget, or more than a few failed tests.
//
//	go run ./internal/testbudget -budgets scripts/test-budgets.txt -phase pure -- go test -json ./...
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

func main() {
	file := flag.String("budgets", "", "file of budgets")
	phase := flag.String("phase", "", "which of its phases this run is")
	again := flag.Bool("again", false, "give a failed test one more try")
	flag.Parse()
	if err := run(os.Stdout, *file, *phase, *again, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "testbudget: %v\n", err)
		os.Exit(1)
	}
}

// run runs the command and judges it.
func run(out io.Writer, file, phase string, again bool, command []string) error {
	if file == "" || phase == "" || len(command) == 0 {
		return errors.New("usage: testbudget -budgets FILE -phase NAME [-again] -- go test -json PACKAGES")
	}
	text, err := os.Open(file)
	if err != nil {
		return err
	}
	defer text.Close()
	limits, err := readBudgets(text, phase)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	began := time.Now()
	first, err := follow(out, limits, command)
	if first == nil {
		return err
	}
	took := time.Since(began) // a second try is beside the budget: it is there for a machine that stalled
	var problems []error
	if problem := first.tooSlow(); problem != nil {
		problems = append(problems, problem)
	}
	if failed := first.verdict(); failed != nil && again {
		if problem := tryAgain(out, first, command, func(command []string) (*judge, error) {
			second, err := follow(out, limits, command)
			if second != nil {
				err = nil // its judge knows what failed
			}
			return second, err
		}); problem != nil {
			problems = append(problems, failed, problem)
		}
	} else if failed != nil {
		problems = append(problems, failed)
	} else if err != nil {
		problems = append(problems, err)
	}
	problems = append(problems, inAll(out, limits, took))
	return errors.Join(problems...)
}

// follow runs one command and answers its judge, and how the command ended. The
// judge is nil where the command could not be run or followed.
func follow(out io.Writer, limits budgets, command []string) (*judge, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", command[0], err)
	}
	j := newJudge(out, limits)
	readErr := j.read(bufio.NewReader(events))
	err = cmd.Wait()
	if readErr != nil {
		return nil, readErr
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", command[0], err)
	}
	return j, err
}
