package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// FileVariable names the configuration file when no flag does.
const FileVariable = prefix + "CONFIG"

// Setting is one key set by a flag.
type Setting struct {
	Path string // "http.address"
	Text string
	Flag string // "--http", for messages
}

// Sources are where values come from.
type Sources struct {
	// File is the name of the configuration file; empty takes the one that
	// RIVULET_CONFIG names, or none.
	File string
	// Environ is the environment in the form of os.Environ.
	Environ []string
	// Flags are settings of the command line; the last one of a key wins.
	Flags []Setting
	// ReadFile reads the file, and secrets that stand in files; nil reads from
	// the file system.
	ReadFile func(name string) ([]byte, error)
}

// Loaded is a configuration with its history.
type Loaded struct {
	Config
	// Origins says for each key that is not a default where its value is from.
	Origins map[string]string
	// Warnings are not errors, but probably mistakes.
	Warnings []string
}

// Set says whether a key was set at all.
func (l *Loaded) Set(path string) bool { return l.Origins[path] != "" }

// Load reads all sources. The error lists everything that is wrong, each with
// where it stands; it never holds a secret.
func Load(from Sources) (*Loaded, error) {
	if from.ReadFile == nil {
		from.ReadFile = os.ReadFile
	}
	loaded := &Loaded{Config: Default(), Origins: map[string]string{}}
	l := loading{Loaded: loaded, reader: reader{readFile: from.ReadFile}, leaves: leaves(&loaded.Config)}
	variables := environment(from.Environ)
	if from.File == "" {
		from.File = variables[FileVariable]
	}
	delete(variables, FileVariable)
	if from.File != "" {
		l.file(from.File)
	}
	l.environment(variables)
	l.flags(from.Flags)
	return l.Loaded, errors.Join(l.problems...)
}

// loading is a configuration while it is read.
type loading struct {
	*Loaded
	reader
	leaves   map[string]leaf
	problems []error
}

func (l *loading) take(path string, v raw, origin string) {
	if err := l.set(l.leaves[path], v); err != nil {
		l.problems = append(l.problems, fmt.Errorf("%s: %s %w", origin, path, err))
		return
	}
	l.Origins[path] = origin
}

func (l *loading) file(name string) {
	text, err := l.readFile(name)
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("read the configuration file: %w", err))
		return
	}
	values, problems := document(name, text, sections(&l.Config))
	l.problems = append(l.problems, problems...)
	for _, v := range values {
		l.take(v.path, v.raw, v.at.String())
	}
}

// environment answers our variables by name.
func environment(environ []string) map[string]string {
	ours := map[string]string{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, prefix) {
			ours[name] = text
		}
	}
	return ours
}

func (l *loading) environment(variables map[string]string) {
	known := map[string]string{}
	for path := range l.leaves {
		known[Variable(path)] = path
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		path, ok := known[name]
		switch {
		case ok:
			l.take(path, raw{text: variables[name]}, name)
		case !foreign(name):
			// Not an error: orchestrators make up variables of their own from
			// the name of a service.
			hint := ""
			if near := nearest(name, slices.Collect(maps.Keys(known))); near != "" {
				hint = fmt.Sprintf("; did you mean %s?", near)
			}
			l.Warnings = append(l.Warnings, fmt.Sprintf("environment variable %s sets nothing%s", name, hint))
		}
	}
}

// foreign says whether a variable of our prefix is not about configuration.
func foreign(name string) bool { return strings.HasPrefix(name, prefix+"TEST_") }

func (l *loading) flags(settings []Setting) {
	for _, s := range settings {
		if _, ok := l.leaves[s.Path]; !ok {
			hint := ""
			if near := nearest(s.Path, slices.Collect(maps.Keys(l.leaves))); near != "" {
				hint = fmt.Sprintf("; did you mean %s?", near)
			}
			l.problems = append(l.problems, fmt.Errorf("%s: unknown key %q%s", s.Flag, s.Path, hint))
			continue
		}
		l.take(s.Path, raw{text: s.Text}, s.Flag)
	}
}
