package yarn

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"containerLogsInfo":[{"containerId":"container_1_2_3_4","containerLogInfo":{"fileName":"stderr"}}]}`))
	f.Add([]byte(`[{"containerLogInfo":[{"fileName":"../x"}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var answer any
		if json.Unmarshal(data, &answer) != nil {
			return
		}
		for _, file := range filesIn(answer, "container_1_1_1_1") {
			if strings.ContainsAny(file.container+file.name, "/?#%") || strings.Trim(file.name, ".") == "" {
				t.Errorf("file %+v", file)
			}
		}
		_ = unframed(string(data))
	})
}
