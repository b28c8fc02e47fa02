mark="$1"
(setsid sh -c "trap '' TERM HUP; sleep $mark & wait" >/dev/null 2>&1 &)
sleep 0.2
echo left one behind
