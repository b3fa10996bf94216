# bash completion for warren: source <(warren completion bash)
# Names of groups are words: @web, @racks:r1.
COMP_WORDBREAKS=${COMP_WORDBREAKS//[@:]/}
_warren() {
    local IFS=$'\n'
    COMPREPLY=($(warren __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$2" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    # A list of hosts goes on; so does a flag's =.
    case ${COMPREPLY[0]} in *=) compopt -o nospace ;; esac
}
complete -o default -o nosort -F _warren warren 2>/dev/null || complete -o default -F _warren warren
