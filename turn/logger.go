package turn

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pion/logging"
)

// logInterval is the least time between two lines of pion's: anybody on the
// network can cause them.
const logInterval = 10 * time.Second

// pionLog writes pion's warnings and errors to slog, at most one in
// logInterval, and drops the rest: pion formats a line for each packet, and says
// at "info" what a stranger tried. What they say is in Stats as figures.
type pionLog struct {
	log *slog.Logger

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// NewLogger implements logging.LoggerFactory.
func (l *pionLog) NewLogger(string) logging.LeveledLogger { return l }

func (l *pionLog) Trace(string)          {}
func (l *pionLog) Tracef(string, ...any) {}
func (l *pionLog) Debug(string)          {}
func (l *pionLog) Debugf(string, ...any) {}
func (l *pionLog) Info(string)           {}
func (l *pionLog) Infof(string, ...any)  {}

func (l *pionLog) Warn(msg string)                   { l.Warnf("%s", msg) }
func (l *pionLog) Warnf(format string, args ...any)  { l.write(slog.LevelDebug, format, args) }
func (l *pionLog) Error(msg string)                  { l.Errorf("%s", msg) }
func (l *pionLog) Errorf(format string, args ...any) { l.write(slog.LevelWarn, format, args) }

// write logs one line unless the last was a moment ago.
func (l *pionLog) write(level slog.Level, format string, args []any) {
	now := time.Now()
	l.mu.Lock()
	if now.Sub(l.last) < logInterval {
		l.suppressed++
		l.mu.Unlock()
		return
	}
	suppressed := l.suppressed
	l.last, l.suppressed = now, 0
	l.mu.Unlock()
	l.log.Log(context.Background(), level, "relay protocol", "detail", fmt.Sprintf(format, args...), "suppressed", suppressed)
}
