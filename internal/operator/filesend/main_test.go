package filesend

import (
	"testing"

	"warren/internal/testlab/rabbit/rabbittest"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }
