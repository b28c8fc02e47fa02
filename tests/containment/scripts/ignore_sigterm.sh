trap '' TERM
for i in {1..30}; do sleep 0.1; done
echo SUCCEEDED: three seconds
