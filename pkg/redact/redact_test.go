package redact_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/redact"
)

// Each text has its secrets in «», which stand for a mask in what is wanted.
var texts = []string{
	// Names.
	`password=«hunter2»`, `db_password = «hunter2» for user bob`, `PGPASSWORD=«p)a&ss» psql`, `"password": "«a \"b\" c»", "user": "bob"`,
	`{'password': '«it\'s»', 'port': 5432}`, `password: «correct horse battery»`, `  - api_key: «abc»`, `DB_PASS=«x1»`,
	`{\"client_secret\":\"«s3cr3t»\",\"id\":1}`, `spark.hadoop.fs.s3a.secret.key=«wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»`,
	`fs.azure.account.key.acct.dfs.core.windows.net=«abcd==»`,
	`aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»`, `"SecretAccessKey": "«abc/def»",`, `javax.net.ssl.trustStorePassword=«changeme»`,
	`:password => "«x»"`, `password := "«x»"`, `<password>«hunter2»</password>`, `token: «eyx»`, `slack_token=«abc-def», retries=3`,
	`signature=«0a1b»&x=1`, `(password=«abc», user=x)`, `login with secret: «a1b2c3d4e5»`,
	// URLs and JDBC.
	`postgres://etl:«p@ss:w0rd»@db.example:5432/x?sslmode=off`, `https://bob:«a/b»@c done`, `amqp://guest:«guest»@mq//`,
	`jdbc:mysql://db:3306/x?user=etl&password=«hunter2»&useSSL=false`, `jdbc:sqlserver://db;user=sa;password=«Secr3t!»;encrypt=true`,
	`https://acct.blob.core.windows.net/c?sv=2020&sig=«abc%2Bdef%3D»&se=1`, `https://s3/x?X-Amz-Security-Token=«FwoGZXIvYXdz»&X-Amz-Signature=«0a1b2c»`,
	`DefaultEndpointsProtocol=https;AccountName=a;AccountKey=«abc==»;EndpointSuffix=core`,
	`jdbc:oracle:thin:etl/«hunter2»@db:1521/ORCL`, `url=jdbc:oracle:thin:etl/«hunter2»@//db:1521/x done`, `jdbc:oracle:oci:etl/«p/w»@tns`,
	`redis://:«hunter2»@redis:6379/0`, `mongodb+srv://etl:«hunter2»@c0.mongodb.net/x`, `SharedAccessKeyName=Root;SharedAccessKey=«abcd=»`,
	// Headers.
	`Authorization: Bearer «abc.def-ghi»`, `> authorization: Basic «dXNlcjpwYXNz»`, `'Authorization': 'Bearer «abc»', 'Accept': 'x'`,
	`Authorization: «abcdef»`, `Proxy-Authorization: Basic «eDp5»`, `Authorization: AWS4-HMAC-SHA256 «Credential=AKIA, Signature=abc»`,
	`Cookie: «session=abc; id=1»`, `Set-Cookie: «a=b; Secure»`, `x-api-key: «abc»`, `sent Bearer «abcDEF12345» to host`, `curl -u etl:«s3cret» https://host/`,
	// Forms.
	`id «AKIAIOSFODNN7EXAMPLE» is not known`, `clone with «ghp_16C7e42F292c6912E7710c838347Ae178B4a»`, `«github_pat_11ABCDEFG0abcdefghijklmnop»`,
	`«xoxb-123456789012-abcdefABCDEF»`, `post https://hooks.slack.com/services/«T000/B000/XXXXXXXX»`, `got «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U»!`,
	`«AIzaSyA1234567890abcdefghijklmnopqrstuv»`, `«dapi0123456789abcdef0123456789abcdef»`, `«hf_abcdefghijklmnopqrstuv»`, `«glpat-abcdefghij0123456789»`, `«sk-proj-abcdefghij0123456789»`,
	// Command lines and SQL.
	`run --password «hunter2» --user bob`, `run --api-key=«abc» -v`, `["--token", "«abc»", "-v"]`, `CREATE USER bob PASSWORD '«x y»'`, `ALTER USER a IDENTIFIED BY "«x»"`,
	`sshpass -p «hunter2» ssh etl@host`, `docker login -u etl -p «hunter2» registry`, `«ABIAIOSFODNN7EXAMPLE»`, `AGE-SECRET-KEY-1«QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQ»`,
	// Private keys.
	"-----BEGIN RSA PRIVATE KEY-----«\nMIIEpAIBAAKCAQEA\nabc+/=\n»-----END RSA PRIVATE KEY-----\nnext",
	`"private_key": "«-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n»"`,
	"key -----BEGIN PRIVATE KEY-----«\nMIIEpAIBAAKCAQEA»", "«MIIEpAIBAAKCAQEA0123\nAAAABBBBCCCCDDDD»\n-----END PRIVATE KEY-----\n",
	"the lines:\n«MIIEpAIBAAKCAQEA0123\nAAAABBBBCCCCDDDD»\n-----END PRIVATE KEY-----\n",
}

// What an on-call engineer and the rules must still be able to read.
var innocent = []string{
	`Access denied for user 'etl'@'10.0.0.1' (using password: YES)`, `FATAL: password authentication failed for user "etl"`,
	`ExpiredToken: The security token included in the request is expired`, `InvalidAccessKeyId: The AWS Access Key Id you provided does not exist`,
	`com.amazonaws.services.securitytoken.model.ExpiredTokenException: The security token is expired`, `InvalidAuthToken: token has been revoked`,
	`SyntaxError: Unexpected token: }`, `Unexpected token '<', "<!DOCTYPE" is not valid JSON`, `json: invalid token: foo at line 3`, `mismatched input 'token' expecting EOF`,
	`max_tokens=4096 total_tokens: 12`, `pad_token=[PAD] eos_token: </s>`, `nextPageToken: abc`, `secret "db-credentials" not found`, `secretName: db-credentials`,
	`MountVolume.SetUp failed for volume "kube-api-token" : secret "db" not found`, `could not refresh access token: unauthorized client`, `Authorization: permission denied by policy`,
	`api_key: field required (type=value_error.missing)`, `option --password requires an argument`, `password must not be empty`, `password=${DB_PASSWORD}`, `token: $TOKEN`,
	`s3://bucket/path:with/colon@x`, `http://host:8080/a@b`, `abfss://container@account.dfs.core.windows.net/x`, `ssh://git@github.com/a/b`, `12:30:45 INFO key: 5`,
	`KeyError: 'password'`, `PWD=/home/etl`, `Bearer authentication is required`, `WWW-Authenticate: Bearer realm="x"`, `-----BEGIN CERTIFICATE-----`, `if token == None: raise`,
	`HTTP/1.1 401 Unauthorized`, `Retry-After: 30`, `java.lang.OutOfMemoryError: Java heap space`, `exit code: 137`, `docker run -u 1000:1000 x`, `["password", "user"]`,
	`jdbc:oracle:thin:@//db:1521/ORCL`, `jdbc:oracle:thin:@db:1521:ORCL`, `oracle:thin: a/b is no address`, `mkdir -p /data/x`, `docker run -p 8080:80 x`, `sshpass -p`, `ssh -p 2222 host`,
	`org.apache.spark.SparkException: Task not serializable`, `pass: 12, fail: 3`, `spark.executor.memory=4g`, `task-sk-12`, `eyJ is how they begin`,
}

var marks = strings.NewReplacer("«", "", "»", "")

func TestTextMasksSecretsAndNothingElse(t *testing.T) {
	for _, tc := range texts {
		var want strings.Builder
		for i, part := range strings.Split(tc, "«") {
			if _, after, ok := strings.Cut(part, "»"); ok && i > 0 {
				part = redact.Mask + after
			}
			want.WriteString(part)
		}
		if got := redact.Text(marks.Replace(tc)); got != want.String() {
			t.Errorf("Text(%q)\n = %q,\nwant %q", marks.Replace(tc), got, want.String())
		}
	}
}

func TestTextLeavesMessagesReadable(t *testing.T) {
	for _, in := range innocent {
		if got := redact.Text(in); got != in {
			t.Errorf("Text(%q)\n = %q, want it as it is", in, got)
		}
	}
}

func TestLongSecretsGoWhole(t *testing.T) {
	long := strings.Repeat("aB3-", 5000)
	for _, in := range []string{"password=" + long, `"token": "` + long + `"`, "eyJ" + long + "." + long, "ghp_" + strings.ReplaceAll(long, "-", ""), "Bearer " + long, "Cookie: " + long, "Authorization: Basic " + long, "db:\n  password: " + long + " x", "--password " + long} {
		if got := redact.Text(in); strings.Contains(got, "aB3") {
			t.Errorf("Text(%.30q…) leaves %d of %d bytes", in, len(got), len(in))
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range texts {
		f.Add(marks.Replace(s))
	}
	for _, s := range innocent {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := redact.Text(s)
		if len(once) > 3*len(s) {
			t.Errorf("Text(%q) grew from %d to %d bytes", s, len(s), len(once))
		}
		if twice := redact.Text(once); twice != once {
			t.Errorf("Text(%q)\n = %q, and again\n = %q", s, once, twice)
		}
	})
}
