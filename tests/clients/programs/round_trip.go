// A round trip with the client of OpenAPI Generator, go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"

	botkeys "github.com/botkeys/client"
)

func main() {
	configuration := botkeys.NewConfiguration()
	configuration.Servers = botkeys.ServerConfigurations{{URL: os.Getenv("BASE_URL")}}
	client := botkeys.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), botkeys.ContextAccessToken, os.Getenv("TOKEN"))
	var body botkeys.KeyCreate
	check(json.Unmarshal([]byte(os.Getenv("KEY")), &body))

	added, _, err := client.KeysAPI.AddKey(ctx).KeyCreate(body).Execute()
	check(err)
	expect(added.Label == body.Label, "the label is another")

	listed, _, err := client.KeysAPI.ListKeys(ctx).Environment(body.Environment).Limit(10).Execute()
	check(err)
	expect(len(listed.Items) == 1 && listed.Items[0].Id == added.Id, "the list holds other keys")
	expect(listed.NextCursor.Get() == nil, "there is another page")

	_, _, err = client.KeysAPI.AddKey(ctx).KeyCreate(body).Execute()
	var refused *botkeys.GenericOpenAPIError
	expect(errors.As(err, &refused), "the same key was added twice")
	problem, isProblem := refused.Model().(botkeys.Problem)
	expect(isProblem, "the refusal is no problem")
	expect(*problem.Code.String == "key_already_added", "the code is another")
	expect(*problem.KeyId.Get() == added.Id, "the problem names another key")

	var unknown botkeys.ProblemCode
	check(json.Unmarshal([]byte(`"of_a_later_version"`), &unknown))
	expect(*unknown.String == "of_a_later_version", "the unknown code is another")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(holds bool, otherwise string) {
	if !holds {
		log.Fatal(otherwise)
	}
}
