mark="$1"
for each in /proc/[0-9]*; do
  if [ "$(tr '\0' ' ' <"$each/cmdline" 2>/dev/null)" = "sleep $mark " ]; then
    if kill -CONT "${each#/proc/}"; then echo SUCCEEDED: signalled another job; exit; fi
  fi
done
echo no process of another job takes a signal >&2
exit 1
