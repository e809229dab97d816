package config

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// value is one key of a file with its place.
type value struct {
	path string
	raw  raw
	at   place
}

// place is a line and column of a file, from 1.
type place struct {
	file         string
	line, column int
}

func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column) }

// document reads a YAML file of the two levels that a Config has. It answers
// every value it can, and everything that is wrong, each error with its place.
//
// The syntax tree is walked by hand: a decoder into structs takes 1.5 for 1, is
// silent about where a text could not be read, and quotes the lines around a
// mistake, which may hold a secret.
func document(name string, text []byte, known []section) (values []value, problems []error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		// Without the source: its lines may hold secrets.
		return nil, []error{fmt.Errorf("%s: not YAML: %s", name, yaml.FormatError(err, false, false))}
	}
	d := reading{file: name}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			d.wrong(doc.Body, "only one document is allowed in the file")
			break
		}
		d.root(doc.Body, known)
	}
	return d.values, d.problems
}

// reading is a document while it is read.
type reading struct {
	file     string
	values   []value
	problems []error
}

func (d *reading) at(n ast.Node) place {
	p := n.GetToken().Position
	return place{d.file, p.Line, p.Column}
}

func (d *reading) wrong(n ast.Node, format string, args ...any) {
	d.problems = append(d.problems, fmt.Errorf("%v: %s", d.at(n), fmt.Sprintf(format, args...)))
}

func (d *reading) root(n ast.Node, known []section) {
	names := make([]string, len(known))
	for i, s := range known {
		names[i] = s.name
	}
	for _, entry := range d.entries(n, "the file") {
		name := keyOf(entry)
		i := slices.Index(names, name)
		if i < 0 {
			d.unknown(entry, name, names)
			continue
		}
		d.section(entry.Value, known[i])
	}
}

func (d *reading) section(n ast.Node, s section) {
	var names []string
	for _, l := range s.leaves {
		names = append(names, l.path[len(s.name)+1:])
	}
	for _, entry := range d.entries(n, s.name) {
		name := keyOf(entry)
		if !slices.Contains(names, name) {
			d.unknown(entry, name, names)
			continue
		}
		path := s.name + "." + name
		if _, empty := entry.Value.(*ast.NullNode); empty {
			continue // "key:" alone leaves the default
		}
		if v, ok := d.raw(entry.Value, path); ok {
			d.values = append(d.values, value{path: path, raw: v, at: d.at(entry.Value)})
		}
	}
}

func (d *reading) unknown(entry *ast.MappingValueNode, name string, known []string) {
	hint := ""
	if near := nearest(name, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	d.wrong(entry.Key, "unknown key %q%s", name, hint)
}

// entries answers the entries of a map; nothing at all is an empty one.
func (d *reading) entries(n ast.Node, what string) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		return nil
	}
	d.wrong(n, "%s must be a map of keys to values", what)
	return nil
}

func keyOf(entry *ast.MappingValueNode) string { return entry.Key.GetToken().Value }

// raw answers what was written for one key.
func (d *reading) raw(n ast.Node, path string) (raw, bool) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		v := raw{shape: list}
		for _, item := range n.Values {
			text, ok := d.scalar(item, path)
			if !ok {
				return raw{}, false
			}
			v.list = append(v.list, text)
		}
		return v, true
	case *ast.MappingNode, *ast.MappingValueNode:
		v := raw{shape: mapping}
		for _, entry := range d.entries(n, path) {
			text, ok := d.scalar(entry.Value, path+"."+keyOf(entry))
			if !ok {
				return raw{}, false
			}
			v.pairs = append(v.pairs, pair{keyOf(entry), text})
		}
		return v, true
	}
	text, ok := d.scalar(n, path)
	return raw{text: text}, ok
}

// scalar answers one value as it was written. Anchors, aliases and tags have no
// place in a file of this size.
func (d *reading) scalar(n ast.Node, path string) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		return "", true
	}
	d.wrong(n, "%s: a plain value is wanted here", path)
	return "", false
}
