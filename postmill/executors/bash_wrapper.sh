# Runs in the jail: the script as a child, then its exit code and result file on descriptor 3.
# It outlives the SIGTERM of a timeout, so that the script's own trap has its time; a child gets the default back.
trap : TERM
job=$PWD
script_shell=$1
mapfile -d '' -t arguments <"$job/.postmill/arguments"
notes=$(<"$job/.postmill/notes")
if [ -n "$notes" ]; then
  printf '%s\n' "$notes" >&2
fi
# Bash would tell of a script that a signal ended, in its own words and with this file's name.
exec 4>&2 2>/dev/null
"$script_shell" "$job/main.sh" "${arguments[@]}" 2>&4 3>&- 4>&-
code=$?
kind=L
if [ "$code" -eq 0 ]; then
  if [ -f "$job/result.json" ]; then
    kind=J file=$job/result.json
  elif [ -f "$job/result.out" ]; then
    kind=O file=$job/result.out
  fi
fi
printf '%d %s\n' "$code" "$kind" >&3
if [ "$kind" != L ]; then
  /bin/cat "$file" >&3
fi
exit 0
