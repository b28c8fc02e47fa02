step="$1"
mark="$2"
if [ "$step" = plant ]; then
  (setsid sleep "$mark" >/dev/null 2>&1 &)
  sleep 0.1
  echo planted
  exit
fi
for each in /proc/[0-9]*/cmdline; do
  if [ "$(tr '\0' ' ' <"$each" 2>/dev/null)" = "sleep $mark " ]; then echo SUCCEEDED: "$each" runs on; exit; fi
done
echo nothing runs on >&2
exit 1
