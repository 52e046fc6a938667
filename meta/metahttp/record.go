package metahttp

import (
	"math"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
)

func recordMessage(m meta.Record) *metapb.Record {
	return &metapb.Record{
		Name: text(string(m.Name)), Kind: metapb.Kind(m.Kind), Root: cidBytes(m.Root), Manifest: cidBytes(m.Manifest),
		Size: m.Size, Objects: m.Objects, Units: each(m.Units, func(u meta.UnitKey) []byte { return u[:] }),
		Replicas: int32(m.Replicas), Height: m.Height, Modified: timestamp(m.Modified), Growing: m.Growing,
	}
}

func (r *reading) record(p *metapb.Record) meta.Record {
	return meta.Record{
		Name: meta.Name(p.GetName()), Kind: r.kind(p.GetKind()), Root: r.cid("root", p.GetRoot()), Manifest: r.cid("manifest", p.GetManifest()),
		Size: p.GetSize(), Objects: p.GetObjects(), Units: each(p.GetUnits(), r.unit),
		Replicas: int(p.GetReplicas()), Height: p.GetHeight(), Modified: r.time(p.GetModified()), Growing: p.GetGrowing(),
	}
}

func (r *reading) kind(k metapb.Kind) meta.Kind {
	return enum[meta.Kind](r, "kind", k, metapb.Kind_KIND_UNSPECIFIED, metapb.Kind_KIND_BUNDLE)
}

func edgeMessage(e meta.Edge) *metapb.Edge {
	return &metapb.Edge{
		Id: uint32(e.ID), Key: e.Key, Url: text(e.URL), TlsUrl: text(e.TLSURL), Region: text(e.Region), Operator: text(e.Operator),
		Asn: e.ASN, Lat: e.Lat, Lon: e.Lon, Capacity: e.Capacity, Weight: uint32(e.Weight),
		State: metapb.EdgeState(e.State), Load: loadMessage(e.Load),
	}
}

func (r *reading) edge(p *metapb.Edge) meta.Edge {
	for _, degrees := range []float64{p.GetLat(), p.GetLon()} {
		if math.IsNaN(degrees) || math.Abs(degrees) > 180 {
			r.fail("edge %d lies at %v degrees", p.GetId(), degrees)
		}
	}
	return meta.Edge{
		ID: meta.EdgeID(p.GetId()), Key: r.key(p.GetKey()), URL: p.GetUrl(), TLSURL: p.GetTlsUrl(), Region: p.GetRegion(), Operator: p.GetOperator(),
		ASN: p.GetAsn(), Lat: p.GetLat(), Lon: p.GetLon(), Capacity: p.GetCapacity(), Weight: small[uint8](r, "weight", p.GetWeight()),
		State: enum[meta.EdgeState](r, "state", p.GetState(), metapb.EdgeState_EDGE_STATE_JOINING, metapb.EdgeState_EDGE_STATE_DOWN),
		Load:  load(p.GetLoad()),
	}
}

func loadMessage(l meta.Load) *metapb.Load {
	return &metapb.Load{
		Sending: l.Sending, Sessions: l.Sessions, Requests: l.Requests, Failures: l.Failures,
		PinnedFree: l.PinnedFree, CachedFree: l.CachedFree, HitRate: l.HitRate, Capacity: l.Capacity,
	}
}

func load(p *metapb.Load) meta.Load {
	return meta.Load{
		Sending: p.GetSending(), Sessions: p.GetSessions(), Requests: p.GetRequests(), Failures: p.GetFailures(),
		PinnedFree: p.GetPinnedFree(), CachedFree: p.GetCachedFree(), HitRate: p.GetHitRate(), Capacity: p.GetCapacity(),
	}
}
