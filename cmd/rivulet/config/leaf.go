package config

import (
	"reflect"
	"strings"
)

// leaf is one key with its place in a Config.
type leaf struct {
	path  string // "http.address"
	field reflect.Value
	tag   reflect.StructTag
}

// section is one group of leaves.
type section struct {
	name   string // "http"
	doc    string
	leaves []leaf
}

// sections lists every key of c, in order; the fields can be set.
func sections(c *Config) []section {
	root := reflect.ValueOf(c).Elem()
	var all []section
	for i := range root.NumField() {
		group, tag := root.Field(i), root.Type().Field(i).Tag
		s := section{name: tag.Get("key"), doc: tag.Get("doc")}
		for j := range group.NumField() {
			tag := group.Type().Field(j).Tag
			s.leaves = append(s.leaves, leaf{path: s.name + "." + tag.Get("key"), field: group.Field(j), tag: tag})
		}
		all = append(all, s)
	}
	return all
}

// leaves lists every key of c by its path.
func leaves(c *Config) map[string]leaf {
	all := map[string]leaf{}
	for _, s := range sections(c) {
		for _, l := range s.leaves {
			all[l.path] = l
		}
	}
	return all
}

// Variable is the environment variable of a key: RIVULET_MEDIA_RECEIVE_BUFFER
// for media.receiveBuffer.
func Variable(path string) string {
	var b strings.Builder
	b.WriteString(prefix)
	lower := false
	for _, r := range path {
		switch upper := r >= 'A' && r <= 'Z'; {
		case r == '.':
			b.WriteByte('_')
			lower = false
		default:
			if upper && lower { // a new word begins; initialisms stay together
				b.WriteByte('_')
			}
			b.WriteString(strings.ToUpper(string(r)))
			lower = !upper
		}
	}
	return b.String()
}

// prefix begins the names of all environment variables.
const prefix = "RIVULET_"

// nearest answers the known name that a wrong one was probably meant to be, or
// "".
func nearest(wrong string, known []string) string {
	best, least := "", 1+len(wrong)/3
	for _, k := range known {
		if d := distance(strings.ToLower(wrong), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of insertions, deletions and substitutions that make a
// out of b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
