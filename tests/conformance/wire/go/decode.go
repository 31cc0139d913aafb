// Command decode reads the responses and writes the requests of a folder with Go's official protobuf runtime.
// Usage: decode FOLDER
package main

import (
	"log"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	rialto "rialto.test/wire/gen"
)

func main() {
	folder := os.Args[1]
	each(folder, "*.response.bin", ".json", func(input []byte) ([]byte, error) {
		message := &rialto.AttachResponse{}
		if err := proto.Unmarshal(input, message); err != nil {
			return nil, err
		}
		return protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	})
	each(folder, "*.request.json", ".bin", func(input []byte) ([]byte, error) {
		message := &rialto.AttachRequest{}
		if err := protojson.Unmarshal(input, message); err != nil {
			return nil, err
		}
		return proto.Marshal(message)
	})
}

// each writes what change makes of every file that matches, beside it, with another ending.
func each(folder, pattern, ending string, change func([]byte) ([]byte, error)) {
	paths, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range paths {
		input, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		output, err := change(input)
		if err != nil {
			log.Fatalf("%s: %v", filepath.Base(path), err)
		}
		target := strings.TrimSuffix(path, filepath.Ext(path)) + ending
		if err := os.WriteFile(target, output, 0o600); err != nil {
			log.Fatal(err)
		}
	}
}
