package main

import (
	"fmt"
)

// configCommand groups what is about the configuration.
type configCommand struct {
	Check configCheck `cmd:"" help:"Say whether a server would start with this configuration."`
	Print configPrint `cmd:"" help:"Print the effective configuration and where each value is from; secrets are redacted."`
}

// configCheck checks a configuration without opening anything.
type configCheck struct {
	settings
	File string `arg:"" optional:"" help:"Configuration file; the same as --config."`
	Dev  bool   `help:"Check for serve --dev, which needs no secrets."`
}

// Run prints ok, or fails with everything that is wrong.
func (cmd *configCheck) Run(c *console) error {
	if cmd.File != "" {
		cmd.Config = cmd.File
	}
	loaded, err := cmd.load(c)
	if err != nil {
		return err
	}
	if err := loaded.Validate(cmd.Dev); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, "ok")
	return err
}

// configPrint prints the effective configuration.
type configPrint struct {
	settings
	File string `arg:"" optional:"" help:"Configuration file; the same as --config."`
}

// Run prints it.
func (cmd *configPrint) Run(c *console) error {
	if cmd.File != "" {
		cmd.Config = cmd.File
	}
	loaded, err := cmd.load(c)
	if err != nil {
		return err
	}
	return loaded.Print(c.out)
}
