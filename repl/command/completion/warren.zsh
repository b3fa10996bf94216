#compdef warren
# zsh completion for warren: source <(warren completion zsh), after compinit
_warren() {
    local -a found words shown
    found=("${(@f)$(warren __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then
        words=("${(@)found%%$'\t'*}")
        shown=("${(@)found/$'\t'/  -- }")
        compadd -V warren -l -d shown -a words
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _warren ]]; then
    _warren "$@"
else
    compdef _warren warren
fi
