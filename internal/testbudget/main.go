// Command testbudget runs `go test -json` and holds every package to the seconds
// that it may take.
//
// It decides whether a test run was good: it fails when a test failed, when a
// package took longer than its budget, or when the whole run did. Input are the
// events of `go test -json` (see `go doc test2json`) and a file of budgets;
// output is one line for each package, what failing tests had to say, and how
// many tests were skipped and why.
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
	flag.Parse()
	if err := run(os.Stdout, *file, *phase, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "testbudget: %v\n", err)
		os.Exit(1)
	}
}

// run runs the command and judges it.
func run(out io.Writer, file, phase string, command []string) error {
	if file == "" || phase == "" || len(command) == 0 {
		return errors.New("usage: testbudget -budgets FILE -phase NAME -- go test -json PACKAGES")
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
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	j := newJudge(out, limits)
	readErr := j.read(bufio.NewReader(events))
	err = cmd.Wait()
	if problem := j.verdict(time.Since(began)); problem != nil {
		return problem
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return readErr
}
