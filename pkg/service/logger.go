package service

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A flood of one message must not choke the service: of each second's equal messages below warning, the first
// sampleFirst are written and then every sampleThereafter-th.
const (
	sampleFirst      = 100
	sampleThereafter = 100
)

// NewLogger makes a logger that writes to w.
//
// level is debug, info (also when empty), warn or error. format is console (lines for people), json (an object
// a line, RFC 3339 time with nanoseconds), or empty: console on a terminal, else json. Console lines are
// coloured only on a terminal, and never when NO_COLOR is set or TERM is dumb (https://no-color.org).
//
// Of more than 100 equal messages in a second only every hundredth is written; warnings and errors always are.
// A wrong level or format is a [Faults] that names LOG_LEVEL or LOG_FORMAT.
func NewLogger(level, format string, w *os.File) (*zap.Logger, error) {
	var faults Faults
	least, known := levels()[level]
	if !known {
		faults = append(faults, Fault{"LOG_LEVEL", fmt.Sprintf("must be debug, info, warn or error, not %q", level)})
	}
	terminal := isatty.IsTerminal(w.Fd())
	if format == "" {
		format = "json"
		if terminal {
			format = "console"
		}
	}
	var encoder zapcore.Encoder
	switch format {
	case "console":
		encoder = zapcore.NewConsoleEncoder(consoleLines(terminal && colourWanted()))
	case "json":
		encoder = zapcore.NewJSONEncoder(jsonLines())
	default:
		faults = append(faults, Fault{"LOG_FORMAT", fmt.Sprintf("must be console or json, not %q", format)})
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return zap.New(sampled(encoder, zapcore.Lock(w), least)), nil
}

func levels() map[string]zapcore.Level {
	return map[string]zapcore.Level{
		"": zap.InfoLevel, "debug": zap.DebugLevel, "info": zap.InfoLevel, "warn": zap.WarnLevel, "error": zap.ErrorLevel,
	}
}

func colourWanted() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// sampled is one output in two halves: below warning with sampling, from warning on without.
func sampled(encoder zapcore.Encoder, out zapcore.WriteSyncer, least zapcore.Level) zapcore.Core {
	quiet := zap.LevelEnablerFunc(func(l zapcore.Level) bool { return l >= least && l < zap.WarnLevel })
	loud := zap.LevelEnablerFunc(func(l zapcore.Level) bool { return l >= least && l >= zap.WarnLevel })
	return zapcore.NewTee(
		zapcore.NewSamplerWithOptions(zapcore.NewCore(encoder, out, quiet), time.Second, sampleFirst, sampleThereafter),
		zapcore.NewCore(encoder.Clone(), out, loud),
	)
}

func jsonLines() zapcore.EncoderConfig {
	return zapcore.EncoderConfig{
		TimeKey:        "time",
		LevelKey:       "level",
		NameKey:        "logger",
		MessageKey:     "msg",
		StacktraceKey:  "stack",
		EncodeTime:     zapcore.RFC3339NanoTimeEncoder,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	}
}

func consoleLines(coloured bool) zapcore.EncoderConfig {
	c := jsonLines()
	c.ConsoleSeparator = "  "
	c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	c.EncodeLevel = zapcore.CapitalLevelEncoder
	if coloured {
		c.EncodeLevel = zapcore.CapitalColorLevelEncoder
	}
	return c
}
