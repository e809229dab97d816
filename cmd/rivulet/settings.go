package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
)

// settings are the flags that set keys of the configuration. They go before the
// environment, which goes before the file.
type settings struct {
	Config    string   `short:"c" placeholder:"FILE" help:"Configuration file (YAML); RIVULET_CONFIG names one too."`
	Advertise []string `placeholder:"IP" help:"Public address that leads here although no interface has it; may be repeated."`
	HTTP      *string  `name:"http" placeholder:"ADDR" help:"Where the page and signalling listen (default :8080)."`
	UDP       *int     `name:"udp" placeholder:"PORT" help:"Port of all media, UDP and TCP (default 7882)."`
	TURN      *int     `name:"turn" placeholder:"PORT" help:"Port of the relay, UDP and TCP (default 3478)."`
	Admin     *string  `placeholder:"ADDR" help:"Where health and metrics listen (default 127.0.0.1:9090)."`
	LogLevel  *string  `placeholder:"LEVEL" help:"debug, info, warn or error."`
	LogFormat *string  `placeholder:"FORMAT" help:"text or json."`
	Set       []string `sep:"none" placeholder:"KEY=VALUE" help:"Set any key of the configuration, such as limits.rooms=10; may be repeated."`
}

// load reads all sources and says aloud what it wonders about.
func (s settings) load(c *console) (*config.Loaded, error) {
	flags, err := s.flags()
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(config.Sources{File: s.Config, Environ: c.environ, Flags: flags})
	warn(c.err, loaded)
	return loaded, err
}

func warn(w io.Writer, loaded *config.Loaded) {
	for _, warning := range loaded.Warnings {
		fmt.Fprintf(w, "rivulet: warning: %s\n", warning)
	}
}

func (s settings) flags() (all []config.Setting, err error) {
	for _, entry := range s.Set {
		path, text, found := strings.Cut(entry, "=")
		if !found {
			return nil, fmt.Errorf("--set %s: there is no value; write --set KEY=VALUE", entry)
		}
		all = append(all, config.Setting{Path: path, Text: text, Flag: "--set"})
	}
	text := func(path, flag string, value *string) {
		if value != nil {
			all = append(all, config.Setting{Path: path, Text: *value, Flag: flag})
		}
	}
	number := func(path, flag string, value *int) {
		if value != nil {
			all = append(all, config.Setting{Path: path, Text: strconv.Itoa(*value), Flag: flag})
		}
	}
	if len(s.Advertise) > 0 {
		all = append(all, config.Setting{Path: "media.advertise", Text: strings.Join(s.Advertise, ","), Flag: "--advertise"})
	}
	text("http.address", "--http", s.HTTP)
	number("media.port", "--udp", s.UDP)
	number("turn.port", "--turn", s.TURN)
	text("admin.address", "--admin", s.Admin)
	text("log.level", "--log-level", s.LogLevel)
	text("log.format", "--log-format", s.LogFormat)
	return all, nil
}
