package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
	"github.com/rivulet-rtc/rivulet/loadtest/report"
)

// labCommand groups what is about the lab.
type labCommand struct {
	Run      labRun      `cmd:"" help:"Run scenarios over emulated links in virtual time and judge them."`
	Profiles labProfiles `cmd:"" help:"List the networks that have names."`
	Freezes  labFreezes  `cmd:"" help:"Run calls with and without what keeps pictures moving, and compare how long they stand still."`
	Compare  labCompare  `cmd:"" help:"Print what got better and worse between two runs."`
	Child    labChild    `cmd:"" hidden:"" help:"One run of the full back end: a plan on standard input, its record on standard output."`
}

// labRun runs scenarios. Without --suite, --scenario, --profile or --trace it
// runs the core suite.
type labRun struct {
	Suite    []string      `placeholder:"NAME" help:"core, rfc8867, thin, calls or all; several with commas."`
	Scenario []string      `placeholder:"NAME" help:"Only scenarios of these names; alone, from all suites."`
	Profile  string        `placeholder:"NAME|FILE" help:"One call over a network: a name of 'lab profiles', or a YAML file."`
	Trace    string        `placeholder:"FILE" help:"One call over a trace: mahimahi, seconds and Mbit/s, or CSV of time,kbit/s."`
	Seeds    int           `placeholder:"N" help:"Runs of each scenario; default 3, beside TCP 10."`
	CC       []string      `name:"cc" enum:"rivulet,rivulet-down,pion-gcc" default:"rivulet" help:"Congestion controls to run: rivulet; with --backend full also rivulet-down (our server's side) and pion-gcc."`
	Backend  string        `enum:"exact,full" default:"exact" help:"exact: the pure cores, bit for bit repeatable; full: real PeerConnections and the server."`
	Feedback string        `enum:"twcc,ccfb," default:"" help:"What receivers of the exact back end report: twcc as browsers, ccfb (RFC 8888); default each scenario's, most of them twcc."`
	Repair   time.Duration `placeholder:"TIME" help:"Let flows of the exact back end ask for lost packets, sent again where they come at most so much later than the fastest; 200ms is what most jitter buffers even out."`
	Duration time.Duration `placeholder:"TIME" help:"Length of a --profile or --trace call; default 2m."`
	JSON     string        `name:"json" placeholder:"FILE" help:"Write every run as JSON."`
	HTML     string        `name:"html" placeholder:"FILE" help:"Write one page with a scoreboard and plots."`
	CSV      string        `name:"csv" placeholder:"FILE" help:"Write rates, queue and loss of each 200 ms as CSV, of calls what each person's links carried and what was heard and seen, each 500 ms."`
	Markdown string        `placeholder:"FILE" help:"Write the scoreboard as Markdown."`
	Plain    bool          `name:"plain-voice" help:"Send sound as microphones make it, whatever the links carry: calls only."`
	NoFail   bool          `help:"Exit with 0 although targets were missed."`
}

// errMissed is what the exit status tells.
var errMissed = errors.New("targets were missed")

// Run runs the scenarios, shows them, and fails where a target was missed.
func (cmd *labRun) Run(ctx context.Context, c *console) error {
	plans, err := cmd.plans()
	if err != nil {
		return err
	}
	// A run of an hour is not to end for want of a folder.
	if err := foldersExist(cmd.JSON, cmd.HTML, cmd.CSV, cmd.Markdown); err != nil {
		return err
	}
	if cmd.Seeds < 0 || cmd.Seeds > 1000 {
		return fmt.Errorf("--seeds %d is outside 1 to 1000", cmd.Seeds)
	}
	if cmd.Feedback != "" {
		if cmd.Backend != "exact" {
			return errors.New("--feedback is for the exact back end; in the full one the ends negotiate it")
		}
		kind := map[string]lab.Reports{"twcc": lab.TransportWide, "ccfb": lab.ByStream}[cmd.Feedback]
		for i := range plans {
			plans[i] = plans[i].WithReports(kind)
		}
	}
	if cmd.Repair != 0 {
		if cmd.Backend != "exact" {
			return errors.New("--repair is for the exact back end; in the full one client and server repair as they do in a call")
		}
		for i := range plans {
			plans[i] = plans[i].WithRepair(cmd.Repair)
		}
	}
	show := newProgress(c.err)
	if cmd.Plain {
		for i := range plans {
			if plans[i].Call == nil {
				return fmt.Errorf("--plain-voice is for calls; %s is none", plans[i].Name)
			}
			own := plans[i].Call.Clone()
			own.PlainVoice = true
			plans[i].Call = &own
		}
	}
	outcomes, err := cmd.runAll(ctx, plans, lab.Options{Seeds: cmd.Seeds, Progress: show.tell})
	show.end()
	if err != nil {
		return err
	}
	results := make([]lab.Result, len(outcomes))
	for i, o := range outcomes {
		results[i] = o.Result
	}
	verdicts := lab.Verdicts(results)
	if err := report.Table(c.out, verdicts); err != nil {
		return err
	}
	if err := cmd.write(c.args, results, outcomes, verdicts); err != nil {
		return err
	}
	failed := slices.ContainsFunc(verdicts, func(v lab.Verdict) bool { return v.Median.Pass != nil && !*v.Median.Pass })
	if failed && !cmd.NoFail {
		return errMissed
	}
	return nil
}

// foldersExist says whether files can be written later, as far as their folders
// go; an empty path is none.
func foldersExist(paths ...string) error {
	for _, path := range paths {
		if path == "" {
			continue
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return fmt.Errorf("write %s: %w; make the folder first", path, err)
		}
		if is, err := os.Stat(path); err == nil && is.IsDir() {
			return fmt.Errorf("write %s: it is a folder; name a file in it", path)
		}
	}
	return nil
}

// write writes the files that were asked for.
func (cmd *labRun) write(args []string, results []lab.Result, outcomes []lab.Outcome, verdicts []lab.Verdict) error {
	for _, f := range []struct {
		path string
		to   func(io.Writer) error
	}{
		{cmd.JSON, func(w io.Writer) error { return report.WriteJSON(w, results) }},
		{cmd.HTML, func(w io.Writer) error { return report.HTML(w, "Rivulet lab", outcomes) }},
		{cmd.CSV, func(w io.Writer) error { return report.WriteCSV(w, outcomes) }},
		{cmd.Markdown, func(w io.Writer) error { return report.Markdown(w, origin(args, time.Now()), verdicts) }},
	} {
		if f.path == "" {
			continue
		}
		if err := writeFile(f.path, f.to); err != nil {
			return err
		}
	}
	return nil
}

// origin says where figures are from: what was run, when, and by which build.
func origin(args []string, now time.Time) string {
	return fmt.Sprintf("`rivulet %s`, %s, %s %s/%s %s.", strings.Join(args, " "),
		now.UTC().Format("2006-01-02 15:04 UTC"), version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// plans gathers what is to be run.
func (cmd *labRun) plans() ([]lab.Scenario, error) {
	var plans []lab.Scenario
	if cmd.Profile != "" {
		p, err := findProfile(cmd.Profile)
		if err != nil {
			return nil, err
		}
		plans = append(plans, cmd.timed(lab.Over(p)))
	}
	if cmd.Trace != "" {
		capacity, err := profile.ReadTrace(cmd.Trace, openFile)
		if err != nil {
			return nil, err
		}
		plans = append(plans, cmd.timed(lab.OverTrace(filepath.Base(cmd.Trace), capacity)))
	}
	suites := cmd.Suite
	switch {
	case len(suites) == 0 && len(cmd.Scenario) > 0:
		suites = []string{"all"}
	case len(suites) == 0 && len(plans) == 0:
		suites = []string{"core"}
	case len(suites) == 0:
		return plans, nil
	}
	all, err := lab.Suite(suites...)
	if err != nil {
		return nil, err
	}
	if len(cmd.Scenario) == 0 {
		return append(plans, all...), nil
	}
	for _, name := range cmd.Scenario {
		i := slices.IndexFunc(all, func(s lab.Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %q in suite %s: there are %s", name, strings.Join(suites, ","), names(all))
		}
		plans = append(plans, all[i])
	}
	return plans, nil
}

func names(all []lab.Scenario) string {
	var list []string
	for _, s := range all {
		list = append(list, s.Name)
	}
	return strings.Join(list, ", ")
}

// timed gives a call over a network of one's own its length.
func (cmd *labRun) timed(s lab.Scenario) lab.Scenario {
	if cmd.Duration != 0 {
		s.Duration = cmd.Duration
		s.Settled = min(20*time.Second, cmd.Duration/4)
	}
	return s
}

// findProfile answers a profile by its name, or reads it from a file: what has
// a dot or a slash is a path.
func findProfile(name string) (profile.Profile, error) {
	if !strings.ContainsAny(name, "./") {
		p, ok := profile.Find(name)
		if !ok {
			var list []string
			for _, p := range profile.Table() {
				list = append(list, p.Name)
			}
			return p, fmt.Errorf("no profile %q: there are %s, or the path of a YAML file", name, strings.Join(list, ", "))
		}
		return p, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return profile.Profile{}, err
	}
	defer f.Close()
	// Traces are found beside the file that names them.
	return profile.Read(name, f, func(path string) (io.ReadCloser, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(name), path)
		}
		return openFile(path)
	})
}

func openFile(path string) (io.ReadCloser, error) { return os.Open(path) }

// labProfiles lists the table.
type labProfiles struct{}

// Run prints it.
func (labProfiles) Run(c *console) error {
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tdown / up\tone-way\tqueue\tdescription\tsource")
	for _, p := range profile.Table() {
		fmt.Fprintf(t, "%s\t%s\t%v\t%v\t%s\t%s\n", p.Name, p.Rates(), p.Down.Delay, p.Down.Queue.Delay, p.Title, p.Source)
	}
	return t.Flush()
}

// labCompare compares two files.
type labCompare struct {
	A string `arg:"" help:"Results of 'lab run --json' before."`
	B string `arg:"" help:"Results after."`
}

// Run prints what changed, and fails where a target is no longer met.
func (cmd *labCompare) Run(c *console) error {
	a, err := readResults(cmd.A)
	if err != nil {
		return err
	}
	b, err := readResults(cmd.B)
	if err != nil {
		return err
	}
	broken, err := report.Compare(c.out, a, b)
	if err == nil && broken > 0 {
		err = fmt.Errorf("%d scenarios no longer meet their targets", broken)
	}
	return err
}

func readResults(path string) ([]lab.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return report.ReadJSON(path, f)
}
