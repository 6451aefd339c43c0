package service_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"example.com/signet/pkg/service"
)

func TestNewLogger_JSON(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"named": "json", "not a terminal": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := logged(t, "info", format, func(log *zap.Logger) {
				log.Debug("hidden")
				log.Info("hello", zap.Int("n", 7), zap.Duration("took", 1500*time.Millisecond))
			})
			if len(lines) != 1 {
				t.Fatalf("lines %q, want one", lines)
			}
			var entry struct {
				Time    time.Time
				Level   string
				Message string `json:"msg"`
				N       int
				Took    string
			}
			if err := json.Unmarshal([]byte(lines[0]), &entry); err != nil {
				t.Fatal(err)
			}
			if entry.Level != "info" || entry.Message != "hello" || entry.N != 7 || entry.Took != "1.5s" ||
				time.Since(entry.Time) > time.Minute {
				t.Errorf("entry %+v", entry)
			}
		})
	}
}

func TestNewLogger_Console(t *testing.T) {
	t.Parallel()
	lines := logged(t, "debug", "console", func(log *zap.Logger) { log.Debug("hello", zap.Int("n", 7)) })
	want := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3}  DEBUG  hello  \{"n": 7\}$`)
	if len(lines) != 1 || !want.MatchString(lines[0]) {
		t.Errorf("lines %q, want one like %s", lines, want)
	}
}

func TestNewLogger_Sampling(t *testing.T) {
	t.Parallel()
	const flood = 5000
	lines := logged(t, "", "json", func(log *zap.Logger) {
		for range flood {
			log.Info("flood")
			log.Warn("warning")
		}
	})
	counts := map[bool]int{}
	for _, line := range lines {
		counts[strings.Contains(line, `"warning"`)]++
	}
	if counts[true] != flood {
		t.Errorf("%d warnings written, want all %d", counts[true], flood)
	}
	// How many seconds the loop touches depends on the machine; each may write its first hundred.
	if n := counts[false]; n < 149 || n > flood/2 {
		t.Errorf("%d equal messages written of %d, want at least 149 and far from all", n, flood)
	}
}

func TestNewLogger_Faults(t *testing.T) {
	t.Parallel()
	_, err := service.NewLogger("loud", "xml", os.Stderr)
	var faults service.Faults
	if !errors.As(err, &faults) || len(faults) != 2 ||
		faults[0].Variable != "LOG_LEVEL" || faults[1].Variable != "LOG_FORMAT" {
		t.Errorf("error %v, want faults of LOG_LEVEL and LOG_FORMAT", err)
	}
}

// logged returns the lines that write made a logger write.
func logged(t *testing.T, level, format string, write func(*zap.Logger)) []string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	log, err := service.NewLogger(level, format, file)
	if err != nil {
		t.Fatal(err)
	}
	write(log)
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines
}
