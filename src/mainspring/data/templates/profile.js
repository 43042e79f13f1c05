(function(){var box=document.currentScript.previousElementSibling.previousElementSibling;
var cards=[].slice.call(document.querySelectorAll(".card"));
box.addEventListener("input",function(){var q=box.value.trim().toLowerCase();
cards.forEach(function(c){c.style.display=c.dataset.name.indexOf(q)<0?"none":""})})})();
