package token

import (
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// claims is the body of a token as it travels.
type claims struct {
	jwt.RegisteredClaims
	Name     string       `json:"name,omitempty"`
	Metadata string       `json:"metadata,omitempty"`
	Video    *videoClaims `json:"video,omitempty"`
	Rivulet  *callClaims  `json:"rivulet,omitempty"`
}

// callClaims holds the rights in the call plane.
type callClaims struct {
	Calls   bool   `json:"calls,omitempty"`
	Device  string `json:"device,omitempty"`
	Backend bool   `json:"backend,omitempty"`
}

// videoClaims holds the rights. A pointer tells "absent" from "false".
type videoClaims struct {
	Room              string   `json:"room,omitempty"`
	RoomJoin          bool     `json:"roomJoin,omitempty"`
	CanPublish        *bool    `json:"canPublish,omitempty"`
	CanSubscribe      *bool    `json:"canSubscribe,omitempty"`
	CanPublishSources []string `json:"canPublishSources,omitempty"`
	Hidden            bool     `json:"hidden,omitempty"`
	RoomAdmin         bool     `json:"roomAdmin,omitempty"`
}

// grants reads the rights out of verified claims. An expiry must be present.
func (c *claims) grants() Grants {
	video := c.Video
	if video == nil {
		video = &videoClaims{}
	}
	g := Grants{
		Identity:  c.Subject,
		Name:      c.Name,
		Room:      video.Room,
		Join:      video.RoomJoin,
		Publish:   video.CanPublish == nil || *video.CanPublish,
		Subscribe: video.CanSubscribe == nil || *video.CanSubscribe,
		Hidden:    video.Hidden,
		Admin:     video.RoomAdmin,
		Metadata:  c.Metadata,
		ID:        c.ID,
		Expires:   c.ExpiresAt.Time,
	}
	if c.Rivulet != nil {
		g.Calls, g.Device, g.Backend = c.Rivulet.Calls, c.Rivulet.Device, c.Rivulet.Backend
	}
	if len(video.CanPublishSources) > 0 {
		// Not nil even when every name is unknown: that allows none.
		g.Sources = []Source{}
		for _, name := range video.CanPublishSources {
			if source := Source(name); source.known() && !slices.Contains(g.Sources, source) {
				g.Sources = append(g.Sources, source)
			}
		}
	}
	return g
}

// callOf writes g's rights in the call plane, nil for none.
func callOf(g Grants) *callClaims {
	if !g.Calls && !g.Backend && g.Device == "" {
		return nil
	}
	return &callClaims{Calls: g.Calls, Device: g.Device, Backend: g.Backend}
}

// videoOf writes g's rights. Publish and Subscribe are always said outright.
func videoOf(g Grants) *videoClaims {
	// "No sources" cannot be said by an empty list, which means all.
	publish := g.Publish && (g.Sources == nil || len(g.Sources) > 0)
	video := &videoClaims{
		Room:         g.Room,
		RoomJoin:     g.Join,
		CanPublish:   &publish,
		CanSubscribe: &g.Subscribe,
		Hidden:       g.Hidden,
		RoomAdmin:    g.Admin,
	}
	for _, source := range g.Sources {
		video.CanPublishSources = append(video.CanPublishSources, string(source))
	}
	return video
}
