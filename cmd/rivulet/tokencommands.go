package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// tokenCommand groups what is about tokens.
type tokenCommand struct {
	Create tokenCreate `cmd:"" help:"Make a token: for one room, for a device that rings, or for a backend."`
	Secret tokenSecret `cmd:"" help:"Make a strong secret for auth.keys or turn.secret."`
}

// tokenSecret makes a secret.
type tokenSecret struct{}

// Run prints it.
func (tokenSecret) Run(c *console) error {
	_, err := fmt.Fprintln(c.out, secret.Generate())
	return err
}

// tokenCreate signs a token. A secret is read from the configuration or from a
// file, never from the command line, which every user of the machine can read.
type tokenCreate struct {
	Room        string        `help:"The one room that the token opens."`
	Identity    string        `help:"Who its bearer is; unique in the room. Wanted for all but backends."`
	Calls       bool          `help:"Ring and be rung as --identity."`
	Device      string        `help:"With --calls: as this device alone."`
	Backend     bool          `help:"Act for every user, call and room of the key's tenant, as a backend does."`
	Name        string        `help:"The name that others see."`
	TTL         time.Duration `name:"ttl" default:"1h" help:"How long it is good for."`
	Publish     []string      `placeholder:"SOURCE" help:"Sources that may be sent: microphone, camera, screen_share, screen_share_audio; none forbids sending. Default: all."`
	NoSubscribe bool          `help:"Forbid receiving."`
	Hidden      bool          `help:"Keep the bearer out of the others' list."`
	RoomAdmin   bool          `help:"Allow removing and muting others."`
	Key         string        `placeholder:"ID" help:"Which key of auth.keys signs, if there are several; with --secret-file the id that the server knows it by."`
	SecretFile  string        `placeholder:"FILE" help:"File with the secret; without it auth.keys of the configuration is used (--config, or RIVULET_AUTH_KEYS=id:SECRET)."`
	Config      string        `short:"c" placeholder:"FILE" help:"Configuration file with auth.keys."`
}

// Validate says what is missing of what the token is for; the parser calls it.
func (cmd *tokenCreate) Validate() error {
	switch {
	case cmd.Backend && (cmd.Room != "" || cmd.Calls || cmd.Identity != ""):
		return errors.New("--backend stands alone: a backend acts for everybody, and has no room, identity or device")
	case cmd.Backend:
		return nil
	case cmd.Room == "" && !cmd.Calls:
		return errors.New("say what the token is for: --room ROOM, --calls for a device that rings, or --backend")
	case cmd.Identity == "":
		return errors.New("--identity is missing: who the bearer is")
	case cmd.Device != "" && !cmd.Calls:
		return errors.New("--device goes with --calls")
	}
	return nil
}

// Run prints the token.
func (cmd *tokenCreate) Run(c *console) error {
	tokens, err := cmd.keys(c)
	if err != nil {
		return err
	}
	verifier, err := token.NewVerifier(tokens)
	if err != nil {
		return err
	}
	grants := token.Grants{
		Identity: cmd.Identity, Name: cmd.Name, Room: cmd.Room, Join: cmd.Room != "", Calls: cmd.Calls, Device: cmd.Device, Backend: cmd.Backend,
		Publish: true, Subscribe: !cmd.NoSubscribe, Hidden: cmd.Hidden, Admin: cmd.RoomAdmin,
	}
	if err := cmd.sources(&grants); err != nil {
		return err
	}
	signed, err := verifier.Sign(time.Now(), grants, cmd.TTL)
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	_, err = fmt.Fprintln(c.out, signed)
	return err
}

// sources narrows what may be sent.
func (cmd *tokenCreate) sources(grants *token.Grants) error {
	if slices.Equal(cmd.Publish, []string{"none"}) {
		grants.Publish = false
		return nil
	}
	known := []token.Source{token.Microphone, token.Camera, token.ScreenShare, token.ScreenAudio}
	for _, name := range cmd.Publish {
		if !slices.Contains(known, token.Source(name)) {
			return fmt.Errorf("--publish %s: there is no such source; choose from %v, or none", name, known)
		}
		grants.Sources = append(grants.Sources, token.Source(name))
	}
	return nil
}

// keys answers the key to sign with.
func (cmd *tokenCreate) keys(c *console) (token.Config, error) {
	if cmd.SecretFile != "" {
		if cmd.Key == "" {
			return token.Config{}, errors.New("--secret-file needs --key ID: the id under which the server has this secret in auth.keys")
		}
		text, err := os.ReadFile(cmd.SecretFile)
		if err != nil {
			return token.Config{}, fmt.Errorf("read the secret: %w", err)
		}
		s, err := secret.New(strings.TrimSpace(string(text)))
		if err != nil {
			return token.Config{}, fmt.Errorf("%s: %w", cmd.SecretFile, err)
		}
		tokens := token.DefaultConfig()
		tokens.Keys = []token.Key{{ID: cmd.Key, Secret: s}}
		return tokens, nil
	}
	loaded, err := settings{Config: cmd.Config}.load(c)
	if err != nil {
		return token.Config{}, err
	}
	keys := loaded.Auth.Keys
	ids := slices.Sorted(maps.Keys(keys))
	switch {
	case len(keys) == 0:
		return token.Config{}, errors.New("there is no key to sign with: name a configuration with auth.keys (--config FILE), set RIVULET_AUTH_KEYS=id:SECRET, or use --secret-file FILE --key ID")
	case cmd.Key == "" && len(keys) > 1:
		return token.Config{}, fmt.Errorf("auth.keys has several keys; choose one of %s with --key", strings.Join(ids, ", "))
	case cmd.Key != "" && keys[cmd.Key].IsZero():
		return token.Config{}, fmt.Errorf("auth.keys has no key %q; it has %s", cmd.Key, strings.Join(ids, ", "))
	}
	tokens, err := loaded.Tokens(nil)
	tokens.SigningKey = cmd.Key
	return tokens, err
}
