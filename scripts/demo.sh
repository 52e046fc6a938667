#!/usr/bin/env bash
# Starts a network in .stratos, publishes a folder and a video, prints their URLs, and keeps running until Ctrl-C.
# The video is MEDIA=file, or a clip that ffmpeg makes.
set -euo pipefail
media=${MEDIA:+$(realpath -- "$MEDIA")}
cd "$(dirname "$0")/.."
dir=${STRATOS_DIR:-.stratos}
stratos=bin/stratos
if [ -n "$media" ] && [ ! -f "$media" ]; then echo "demo: MEDIA=$MEDIA is no file" >&2; exit 2; fi

sleeper=
trap '[ -z "$sleeper" ] || kill $sleeper; $stratos down --dir "$dir" || true' EXIT
trap 'exit 0' INT TERM
$stratos up --dir "$dir" --edges 5 --detach
$stratos put --dir "$dir" scripts/demo-site demo/site
router=$(sed -n 's/.*"router": "\(.*\)",/\1/p' "$dir/network.json")

# A network that was here before still has the clip; a file of one's own is published anew.
put_video() { $stratos put --dir "$dir" --video "$media" demo/video --title "Stratos demo" "$@"; }
video=
if [ -z "$media" ] && $stratos stat --dir "$dir" demo/video/master.m3u8 >/dev/null 2>&1; then
  video=ready
else
  if [ -z "$media" ]; then
    media=$dir/demo-clip.mp4
    echo "making a clip of 30 seconds"
    ffmpeg -hide_banner -nostdin -v error -y -f lavfi -i testsrc2=size=1280x720:rate=25:duration=30 \
      -f lavfi -i sine=frequency=330:duration=30 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac "$media" || media=
  fi
  if [ -n "$media" ]; then
    video=$(put_video --wait playable | sed -n 's/^state *//p') || true
  fi
fi

[ -z "$video" ] || cat <<END

The video plays:

  $router/watch/demo/video            # in a browser
  $router/demo/video/master.m3u8      # in VLC, mpv, ffplay, Safari
END
cat <<END

The folder is published. Open it, or fetch it as a client somewhere else:

  $router/demo/site/
  curl -L $router/demo/site/index.html
  curl -L -H 'X-Forwarded-For: 198.18.2.7' $router/demo/site/index.html   # from Singapore
  $stratos route demo/site --from 198.18.1.7                              # why this edge, from Ashburn
  $stratos put --video FILE demo/another                                  # a video of your own
  $stratos status

Ctrl-C stops the network; its content stays in $dir.
END
[ "$video" != playable ] || put_video >/dev/null || true # follows the rungs that are still being made
sleep infinity & sleeper=$!
wait $sleeper
