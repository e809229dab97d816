package signal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// documented are all messages of the port, as reflection finds their fields.
var documented = []any{
	&signal.Join{}, &signal.Resume{}, &signal.Publish{}, &signal.Unpublish{}, &signal.Mute{}, &signal.View{},
	&signal.Restart{}, &signal.Candidate{}, &signal.SetDataMode{}, &signal.Acknowledge{}, &signal.Ping{}, &signal.Leave{},
	&signal.Joined{}, &signal.Resumed{}, &signal.Published{}, &signal.Restarted{}, &signal.Pong{}, &signal.Done{},
	&signal.ParticipantJoined{}, &signal.ParticipantLeft{}, &signal.TrackPublished{}, &signal.TrackUnpublished{},
	&signal.TrackMuted{}, &signal.SlotsChanged{}, &signal.SlotStates{}, &signal.SpeakersChanged{},
	&signal.QualityChanged{}, &signal.VoicesChanged{}, &signal.Encode{}, &signal.Closed{},
	&signal.Connect{}, &signal.Connected{}, &signal.Call{}, &signal.CallQuery{}, &signal.CallHistory{}, &signal.CallEvents{}, &signal.FeedQuery{}, &signal.FeedState{}, &signal.Created{}, &signal.CallState{}, &signal.CallEvent{},
	&signal.RoomControl{}, &signal.RoomQuery{}, &signal.RoomState{}, &signal.RoomEvent{}, &signal.RoomLeft{},
	&signal.ParticipantUpdated{}, &signal.RoomLocked{}, &signal.Message{},
	&signal.Direct{}, &signal.DirectStep{},
}

// TestProtocolIsDocumented holds docs/protocol.md against the port: each
// message has its section, each section its fields, and each code its row.
func TestProtocolIsDocumented(t *testing.T) {
	page := readProtocol(t)
	for _, message := range documented {
		name := wireName(t, message)
		section, ok := page.section(name)
		if !ok {
			t.Errorf("docs/protocol.md has no section %q", "### "+name)
			continue
		}
		checkFields(t, page, section, name, reflect.TypeOf(message).Elem())
	}
}

// TestEveryMessageIsListed finds message types that the list above lacks, by
// the methods that make them messages.
func TestEveryMessageIsListed(t *testing.T) {
	listed := make(map[string]bool)
	for _, message := range documented {
		listed[reflect.TypeOf(message).Elem().Name()] = true
	}
	found := 0
	eachDeclaration(t, func(d ast.Decl) {
		method, ok := d.(*ast.FuncDecl)
		if !ok || method.Recv == nil {
			return
		}
		switch method.Name.Name {
		case "Type", "ReplyType", "EventType":
		default:
			return
		}
		star, ok := method.Recv.List[0].Type.(*ast.StarExpr)
		if !ok {
			return
		}
		found++
		if name := star.X.(*ast.Ident).Name; !listed[name] {
			t.Errorf("%s is a message that this test does not know: add it to documented", name)
		}
	})
	if found != len(documented) {
		t.Errorf("found %d messages in the sources, %d are listed", found, len(documented))
	}
}

// TestEveryCodeIsDocumented reads the codes and the other closed lists out of
// the sources.
func TestEveryCodeIsDocumented(t *testing.T) {
	page := readProtocol(t)
	codes, ok := page.part("## Codes")
	if !ok {
		t.Fatal("docs/protocol.md has no section on codes")
	}
	values := constants(t)
	for _, kind := range []string{"Code", "Source", "DataMode", "Quality"} {
		if len(values[kind]) < 3 {
			t.Fatalf("found only %v of type %s", values[kind], kind)
		}
	}
	for _, code := range values["Code"] {
		if !strings.Contains(codes, "| `"+code+"` |") {
			t.Errorf("docs/protocol.md has no row for the code %q", code)
		}
	}
	for _, kind := range []string{"Source", "DataMode", "Quality", "DirectVerb"} {
		for _, value := range values[kind] {
			if !strings.Contains(page.text, "`"+value+"`") {
				t.Errorf("docs/protocol.md does not name the %s %q", kind, value)
			}
		}
	}
}

// TestEveryVerbIsDocumented wants a row for each verb and kind of the families
// that share one message.
func TestEveryVerbIsDocumented(t *testing.T) {
	page := readProtocol(t)
	values := constants(t)
	for kind, section := range map[string]string{
		"Verb": "call commands", "CallEventKind": "call events", "RoomVerb": "room commands", "RoomEventKind": "room events",
	} {
		text, ok := page.section(section)
		prefix, _, _ := strings.Cut(section, " ")
		if !ok || len(values[kind]) < 4 {
			t.Fatalf("no section %q, or only %v of %s", section, values[kind], kind)
		}
		for _, value := range values[kind] {
			if !strings.Contains(text, "| `"+prefix+"."+value+"` |") {
				t.Errorf("docs/protocol.md: %q has no row for %s.%s", section, prefix, value)
			}
		}
	}
}

// protocolPage is docs/protocol.md.
type protocolPage struct{ text string }

func readProtocol(t *testing.T) protocolPage {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	return protocolPage{string(b)}
}

// section answers the text under "### name".
func (p protocolPage) section(name string) (string, bool) { return p.part("### " + name) }

func (p protocolPage) part(heading string) (string, bool) {
	_, after, found := strings.Cut(p.text, "\n"+heading+"\n")
	if !found {
		return "", false
	}
	level := strings.Repeat("#", strings.Index(heading, " "))
	for _, end := range []string{"\n" + level + " ", "\n## "} {
		after, _, _ = strings.Cut(after, end)
	}
	return after, true
}

// checkFields wants a row for each JSON field in the section, and in the
// section of each object below it.
func checkFields(t *testing.T, page protocolPage, section, name string, structure reflect.Type) {
	t.Helper()
	for i := range structure.NumField() {
		field := structure.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		if tag == "" {
			t.Errorf("%s.%s has no JSON name", structure.Name(), field.Name)
			continue
		}
		if !hasRow(section, tag) {
			t.Errorf("docs/protocol.md: the section %q has no row for the field %q", name, tag)
		}
		inner := field.Type
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || inner == reflect.TypeFor[signal.Publish]() || inner == reflect.TypeFor[signal.CallState]() || inner == reflect.TypeFor[signal.Event]() {
			continue // these have the fields of the message
		}
		object := objectName(inner.Name())
		below, ok := page.section(object)
		if !ok {
			t.Errorf("docs/protocol.md has no section %q", "### "+object)
			continue
		}
		checkFields(t, page, below, object, inner)
	}
}

// hasRow finds a table row whose first cell names the field.
func hasRow(section, field string) bool {
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) > 2 && strings.Contains(cells[1], "`"+field+"`") {
			return true
		}
	}
	return false
}

// objectName answers how the page calls a struct: TrackView is "track view".
func objectName(structure string) string {
	if structure == "ICEServer" {
		return "ICE server"
	}
	var b strings.Builder
	for i, r := range structure {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

func wireName(t *testing.T, message any) string {
	t.Helper()
	switch m := message.(type) {
	case *signal.Call:
		return "call commands"
	case *signal.CallEvent:
		return "call events"
	case *signal.RoomControl:
		return "room commands"
	case *signal.RoomEvent:
		return "room events"
	case *signal.CallState:
		return "call state"
	case *signal.RoomState:
		return "room state"
	case *signal.CallEvents:
		return "call history"
	case *signal.Created:
		return "call created"
	case signal.Body:
		return m.Type()
	case signal.Reply:
		return m.ReplyType()
	case signal.EventBody:
		return m.EventType()
	}
	t.Fatalf("%T is no message", message)
	return ""
}

// constants answers the values of the typed string constants, by type.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	values := make(map[string][]string)
	eachDeclaration(t, func(d ast.Decl) {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			return
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			kind, ok := value.Type.(*ast.Ident)
			if !ok || len(value.Values) != 1 {
				continue
			}
			if literal, ok := value.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values[kind.Name] = append(values[kind.Name], text)
			}
		}
	})
	return values
}

func eachDeclaration(t *testing.T, visit func(ast.Decl)) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			visit(declaration)
		}
	}
}
