package mem_test

import (
	"testing"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
	"github.com/stratos-mesh/stratos/sds/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) sds.Store { return mem.New() })
}
