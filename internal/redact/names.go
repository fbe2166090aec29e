package redact

// Names that are frequent where a language is spoken, written down for this package. A name on the list
// is taken for a person without further words; names that are not are found by the words around them.

var givenNames = map[string]string{
	"en": "" +
		"James John Robert Michael William David Richard Joseph Thomas Charles Christopher Daniel Matthew " +
		"Anthony Donald Steven Paul Andrew Joshua Kenneth Kevin Brian George Timothy Ronald Edward Jason " +
		"Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin " +
		"Samuel Gregory Alexander Patrick Frank Raymond Jack Dennis Jerry Tyler Aaron Jose Adam Nathan " +
		"Henry Zachary Douglas Peter Kyle Noah Ethan Jeremy Walter Christian Keith Roger Terry Austin " +
		"Sean Gerald Carl Harold Dylan Arthur Lawrence Jordan Jesse Bryan Billy Bruce Gabriel Joe Logan " +
		"Alan Juan Albert Willie Elijah Wayne Randy Vincent Mason Roy Ralph Bobby Russell Bradley Philip " +
		"Eugene Liam Oliver Lucas Jayden Owen Caleb Connor Evan Luke Isaac Hunter Cameron Julian Ian Chad " +
		"Marcus Todd Craig Curtis Derek Stanley Leonard Nathaniel Manuel Rodney Herbert Frederick Edwin " +
		"Don Ricky Troy Barry Bernard Leroy Francis Clifford Theodore Micheal Jay Jim Tom Calvin Jon " +
		"Ronnie Lloyd Tommy Leon Glenn Warren Alvin Floyd Dean Greg Derrick Dan Jerome Tim Alfred Gordon " +
		"Wesley Gene Geoffrey Graham Simon Nigel Stuart Trevor Clive Alastair Callum Rhys Gareth Gavin " +
		"Harry Charlie Alfie Freddie Theo Archie Toby Neil Ken Ben Sam Mike Dave Bob Steve Chris Matt " +
		"Nick Tony Andy Jeff Rob Ted Fred Bill Rick Doug Phil Ray Max Alex Angus Duncan Malcolm Hamish " +
		"Ewan Declan Seamus Aidan Kieran Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica " +
		"Sarah Karen Nancy Lisa Betty Margaret Sandra Ashley Kimberly Emily Donna Michelle Dorothy Carol " +
		"Amanda Melissa Deborah Stephanie Rebecca Sharon Laura Cynthia Kathleen Amy Shirley Angela Helen " +
		"Anna Brenda Pamela Nicole Emma Samantha Katherine Christine Debra Rachel Catherine Carolyn Janet " +
		"Ruth Maria Heather Diane Virginia Julie Joyce Victoria Olivia Kelly Christina Lauren Joan Evelyn " +
		"Judith Megan Cheryl Andrea Hannah Martha Jacqueline Frances Gloria Ann Teresa Kathryn Sara " +
		"Janice Jean Alice Madison Doris Abigail Julia Judy Grace Denise Amber Marilyn Beverly Danielle " +
		"Theresa Sophia Marie Diana Brittany Natalie Isabella Charlotte Rose Alexis Kayla Lori Alyssa " +
		"Jane Tiffany Kate Katie Ellen Elaine Anne Lucy Claire Chloe Zoe Ella Mia Amelia Isla Poppy Lily " +
		"Daisy Holly Ruby Freya Sophie Eleanor Molly Phoebe Georgia Harriet Matilda Rosie Jenny Becky " +
		"Cathy Debbie Peggy Sue Sally Wendy Tracy Tina Tammy Dawn Erin Robin Leslie Paula Norma Phyllis " +
		"Lois Annie Lillian Jill April Stacy Connie Vivian Yvonne Gail Rita Sheila Edna Ethel Ida Irene " +
		"Maureen Bridget Siobhan Niamh Fiona Eilidh Heidi Melanie Vanessa Miranda Penelope Bethany " +
		"Courtney Crystal Erica Gina Jasmine Kristen Kristin Leah Monica Naomi Tara Valerie Veronica " +
		"Audrey Stella Nora Hazel Violet Aurora Scarlett Priya Aisha Fatima Mohammed Muhammad Ahmed Ali " +
		"Omar Hassan Ibrahim Yusuf Khalid Ravi Raj Sanjay Anil Sunil Vijay Amit Rahul Deepak Anita Sunita " +
		"Pooja Neha Wei Ming Hiroshi Yuki Kenji Akira Sakura Chen Jin Ivan Dmitri Sergei Vladimir Boris " +
		"Olga Svetlana Natalia Tatiana Irina Ekaterina Yelena Bjorn Erik Lars Nils Sven Olaf Gunnar " +
		"Magnus Ingrid Astrid Sigrid Mette Jens Søren Mikkel Kirsten Hanne Pekka Mikko Jukka Antti Timo " +
		"Kaisa Jorma Zoltán Ferenc László István Gábor Attila Katalin Erzsébet Zsófia Petr Jiří Jan Tomáš " +
		"Lukáš Jakub Ondřej Eva Zuzana Lenka Tereza Goran Zoran Dragan Milan Nikola Marko Ivana Jelena " +
		"Dimitris Giorgos Nikos Kostas Yannis Eleni Sofia Mehmet Mustafa Ayşe Emre Elif ",
	"de": "" +
		"Peter Michael Thomas Andreas Wolfgang Klaus Jürgen Günter Stefan Christian Uwe Werner Horst " +
		"Frank Dieter Manfred Gerhard Hans Bernd Thorsten Torsten Matthias Helmut Walter Heinz Martin " +
		"Jörg Rolf Jens Sven Alexander Jan Rainer Holger Karl Dirk Joachim Ralf Carsten Karsten Herbert " +
		"Oliver Wilhelm Kurt Markus Heinrich Harald Paul Hermann Norbert Rudolf Bernhard Willi Rüdiger " +
		"Erich Otto Sebastian Tobias Daniel Marcel Florian Philipp Felix Maximilian Lukas Leon Finn Jonas " +
		"Luca Elias Ben Noah Emil Moritz Anton Jakob Johannes Julian Fabian Dominik Benjamin Kevin Dennis " +
		"Marco Marc Mario René Simon Niklas Tim Tom Nico Till Timo Malte Lennart Kai Ingo Olaf Volker " +
		"Detlef Egon Ernst Fritz Georg Gustav Heiko Henning Hartmut Lothar Ludwig Lutz Reinhard Richard " +
		"Robert Roland Siegfried Ulrich Udo Wilfried Friedrich Franz Josef Johann Jochen Hubert Alfred " +
		"Albert Arno Armin Axel Björn Bastian Christoph Claus Eberhard Erwin Gregor Guido Hannes Heribert " +
		"Leonhard Konrad Konstantin Korbinian Xaver Severin Valentin Vincent Ursula Maria Monika Petra " +
		"Elisabeth Sabine Renate Helga Karin Brigitte Ingrid Erika Andrea Gisela Claudia Susanne Gabriele " +
		"Christa Christine Hildegard Anna Birgit Barbara Gertrud Heike Marianne Elke Martina Angelika " +
		"Irmgard Ilse Ute Elfriede Doris Margarete Ruth Ulrike Silke Nicole Kerstin Jutta Anja Sandra " +
		"Stefanie Katrin Kathrin Katharina Julia Sarah Laura Lena Lea Leonie Hannah Hanna Mia Emma Sophie " +
		"Sofia Marie Johanna Lina Clara Klara Charlotte Frieda Greta Ella Lisa Vanessa Jessica Jennifer " +
		"Melanie Daniela Tanja Sonja Simone Silvia Sylvia Cornelia Manuela Bettina Anke Antje Astrid " +
		"Beate Bärbel Carola Christiane Dagmar Dorothea Edith Eva Evelyn Franziska Frauke Friederike " +
		"Gerda Grit Gudrun Hannelore Heidi Heidemarie Ines Inge Iris Jana Judith Katja Lieselotte " +
		"Magdalena Maike Mareike Margit Margot Marlene Marion Meike Miriam Mona Nadine Nadja Nina Pia " +
		"Regina Rita Romy Rosemarie Roswitha Sigrid Sibylle Stephanie Svenja Swantje Theresa Therese Uta " +
		"Veronika Verena Viktoria Waltraud Wiebke Yvonne Mathilda Amelie Luisa Annika Antonia Carla Elisa " +
		"Finja Ida Isabella Jule Lotte Maja Marlies Merle Mila Milena Nele Paula Rosa Tabea Thea Zoe ",
	"fr": "" +
		"Jean Pierre Michel André Philippe René Louis Alain Jacques Bernard Marcel Daniel Roger Robert " +
		"Paul Claude Henri Christian Nicolas Georges Patrick Gérard Christophe Joseph Julien Maurice " +
		"Laurent Frédéric Eric Éric David Stéphane Pascal Sébastien Alexandre Thierry Olivier Antoine " +
		"Raymond Guy Dominique Charles Didier Marc Vincent François Bruno Guillaume Thomas Lucien Jérôme " +
		"Fernand Serge Albert Yves Emmanuel Gilbert Emile Émile Gilles Hervé Fabrice Sylvain Franck " +
		"Roland Mathieu Matthieu Maxime Romain Benoît Arnaud Cédric Ludovic Fabien Anthony Kévin Jérémy " +
		"Florian Clément Quentin Hugo Lucas Léo Gabriel Raphaël Arthur Jules Adam Ethan Nathan Théo Enzo " +
		"Mathis Timéo Noé Axel Baptiste Adrien Alexis Valentin Victor Martin Simon Samuel Tristan Rémi " +
		"Loïc Yann Gaël Erwan Xavier Denis Edouard Édouard Etienne Étienne Grégory Jean-Pierre Léon Luc " +
		"Noël Régis Thibault Thibaut Tanguy Aurélien Bastien Corentin Damien Dorian Marie Jeanne " +
		"Françoise Monique Catherine Nathalie Isabelle Jacqueline Anne Sylvie Martine Madeleine Nicole " +
		"Suzanne Hélène Christine Marguerite Denise Louise Christiane Yvonne Valérie Sophie Stéphanie " +
		"Germaine Sandrine Véronique Céline Chantal Renée Simone Andrée Patricia Brigitte Annie Julie " +
		"Caroline Laurence Thérèse Michèle Geneviève Aurélie Elisabeth Élisabeth Odette Virginie Claire " +
		"Christelle Corinne Agnès Karine Laetitia Émilie Emilie Camille Léa Manon Chloé Emma Inès Jade " +
		"Lola Zoé Alice Louna Juliette Lucie Sarah Eva Clara Anaïs Pauline Marion Mathilde Margaux Laura " +
		"Justine Mélanie Élodie Elodie Amandine Audrey Delphine Fanny Florence Gaëlle Gabrielle Ghislaine " +
		"Josette Josiane Lydie Maud Mireille Muriel Nadine Noémie Océane Odile Pascale Paulette Raymonde " +
		"Régine Rose Sabine Séverine Solange Sonia Sylviane Victoire Viviane Yvette Ophélie Romane Ambre " +
		"Capucine Clémence Éléonore Héloïse Margot Maëlle Apolline ",
	"es": "" +
		"Antonio José Manuel Francisco Juan David Javier Daniel Carlos Jesús Alejandro Miguel Rafael " +
		"Pedro Ángel Pablo Sergio Fernando Jorge Luis Alberto Álvaro Adrián Diego Raúl Iván Rubén Enrique " +
		"Óscar Ramón Andrés Vicente Santiago Joaquín Víctor Mario Eduardo Roberto Jaime Marcos Ignacio " +
		"Hugo Martín Lucas Mateo Leo Alfonso Jordi Salvador Ricardo Emilio Guillermo Gabriel Julio Tomás " +
		"Agustín Nicolás Felipe Gonzalo Julián Cristian Joan Marc César Ismael Gregorio Domingo Félix " +
		"Sebastián Mariano Alfredo Xavier Josep Héctor Samuel Rodrigo Gerardo Arturo Lorenzo Esteban " +
		"Cristóbal Borja Eugenio Benito Bernardo Beltrán Carmen María Ana Isabel Laura Cristina Marta " +
		"Dolores Lucía Pilar Elena Sara Raquel Paula Mercedes Rosario Juana Teresa Beatriz Encarnación " +
		"Nuria Silvia Julia Rocío Irene Montserrat Patricia Alba Andrea Rosa Josefa Francisca Antonia " +
		"Ángela Mónica Sandra Sonia Alicia Susana Marina Yolanda Natalia Margarita Eva Inmaculada Claudia " +
		"Esther Noelia Verónica Carolina Nerea Inés Ángeles Sofía Martina Daniela Valeria Carla Lola " +
		"Concepción Consuelo Amparo Victoria Lorena Miriam Manuela Esperanza Catalina Aurora Gloria Olga " +
		"Emilia Alejandra Celia Fátima Ainhoa Leticia Lidia Luisa Blanca Gema Begoña Araceli Ximena " +
		"Guadalupe Fernanda Gabriela Mariana Estefanía ",
	"it": "" +
		"Giuseppe Antonio Giovanni Francesco Mario Luigi Andrea Vincenzo Marco Salvatore Roberto Angelo " +
		"Stefano Alessandro Paolo Domenico Giorgio Franco Bruno Claudio Carlo Luca Michele Sergio Pietro " +
		"Davide Fabio Massimo Daniele Simone Matteo Lorenzo Riccardo Federico Gabriele Leonardo Mattia " +
		"Tommaso Edoardo Filippo Nicola Enrico Maurizio Alberto Raffaele Pasquale Gianluca Gianni Alessio " +
		"Emanuele Cristian Christian Diego Giacomo Samuele Jacopo Nicolò Dario Renato Gennaro Ciro " +
		"Umberto Valerio Vittorio Guido Ivan Aldo Alfredo Armando Augusto Cesare Dino Emilio Ernesto " +
		"Ettore Eugenio Fausto Flavio Fulvio Gaetano Giancarlo Gino Giulio Ignazio Livio Luciano Manuel " +
		"Marcello Mauro Mirko Omar Oscar Piero Renzo Rocco Ruggero Silvio Tiziano Ugo Walter Maria Anna " +
		"Giuseppina Rosa Angela Giovanna Teresa Lucia Carmela Caterina Francesca Antonietta Carla Elena " +
		"Concetta Rita Margherita Franca Paola Laura Giulia Chiara Sara Martina Valentina Alessia Silvia " +
		"Elisa Federica Alice Sofia Aurora Ginevra Beatrice Giorgia Emma Greta Vittoria Matilde Ludovica " +
		"Noemi Bianca Camilla Arianna Gaia Viola Nicole Ilaria Roberta Simona Barbara Cristina Monica " +
		"Daniela Patrizia Manuela Stefania Elisabetta Eleonora Serena Michela Claudia Alessandra " +
		"Raffaella Sabrina Tiziana Antonella Luisa Emanuela Rossella Donatella Loredana Marina Marisa " +
		"Ornella Fiammetta Nunzia Giuliana Gabriella Graziella Lidia Liliana Luciana Mirella Nadia Norma " +
		"Pina Renata Rosanna Rosaria Sandra Silvana Susanna Veronica Viviana Cinzia Debora Fabiola " +
		"Fiorella Flavia Gemma Giada ",
	"nl": "" +
		"Jan Johannes Cornelis Hendrik Willem Pieter Gerrit Peter Jacobus Johan Henk Kees Piet Dirk Wim " +
		"Hans Jeroen Bart Martijn Marcel Erik Rob Ruud Sander Thijs Tim Tom Daan Sem Lucas Levi Finn " +
		"Milan Luuk Bram Mees Jesse Thomas Lars Noah Ruben Niels Stijn Koen Joris Jasper Maarten Michiel " +
		"Mark Paul Frank Arjan Arie Bas Ben Bernard Berend Bert Casper Chris Coen Diederik Edwin Eelco " +
		"Evert Floris Frans Freek Geert Gijs Gijsbert Gijsbrecht Guus Harm Harry Hugo Huub Ivo Jaap Jacob " +
		"Jelle Job Joep Joost Jos Jurriaan Kasper Klaas Laurens Leendert Luc Maurits Max Menno Mike Nico " +
		"Olaf Onno Patrick Pim Reinier Remco René Rick Rik Robin Roel Ronald Rutger Sebastiaan Siem Simon " +
		"Sjoerd Stefan Steven Sven Teun Theo Tijn Tobias Vincent Wessel Willemijn Wouter Xander Yannick " +
		"Maria Johanna Anna Elisabeth Cornelia Hendrika Wilhelmina Petra Ingrid Monique Marieke Esther " +
		"Annemarie Anneke Annemiek Anouk Astrid Babette Brenda Bianca Carolien Caroline Chantal Charlotte " +
		"Claudia Corrie Daniëlle Debbie Diana Dorien Els Emma Eva Evi Fenna Femke Fleur Floor Froukje " +
		"Geertje Gerda Greetje Hanneke Hannah Heleen Helma Ilse Inge Irene Iris Isa Jacqueline Janneke " +
		"Jantje Jasmijn Joke José Josephine Judith Julia Karin Kim Laura Leontien Lianne Lieke Lies " +
		"Liesbeth Linda Lisa Lisanne Liselotte Loes Lotte Maaike Maartje Manon Margriet Marijke Marian " +
		"Marianne Marit Marjolein Marleen Marloes Martine Mieke Miranda Mirjam Naomi Nicole Nienke Nina " +
		"Noor Olga Pauline Pien Renate Rianne Riet Roos Rosa Sanne Sandra Sara Saskia Sofie Sonja Sophie " +
		"Suzanne Sylvia Tess Tessa Tineke Trijntje Truus Wendy Willeke Yara Yvonne Zoë Zita ",
	"pl": "" +
		"Piotr Krzysztof Andrzej Tomasz Jan Paweł Michał Marcin Stanisław Jakub Adam Marek Łukasz " +
		"Grzegorz Mateusz Wojciech Mariusz Dariusz Zbigniew Jerzy Maciej Rafał Robert Kamil Józef Jacek " +
		"Dawid Tadeusz Szymon Ryszard Kacper Bartosz Artur Jarosław Janusz Sławomir Henryk Sebastian " +
		"Mirosław Kazimierz Damian Daniel Patryk Roman Przemysław Karol Marian Wiesław Arkadiusz Adrian " +
		"Aleksander Filip Leszek Radosław Bartłomiej Dominik Waldemar Bogdan Edward Krystian Mieczysław " +
		"Konrad Zdzisław Franciszek Antoni Hubert Bogusław Wiktor Igor Czesław Cezary Eugeniusz " +
		"Włodzimierz Lech Oskar Oliwier Nikodem Ignacy Leon Tymon Witold Zenon Wacław Wacława Anna " +
		"Katarzyna Maria Małgorzata Agnieszka Barbara Ewa Krystyna Elżbieta Magdalena Joanna Zofia " +
		"Aleksandra Monika Teresa Danuta Natalia Karolina Julia Marta Beata Dorota Janina Jadwiga Alicja " +
		"Jolanta Halina Iwona Irena Grażyna Paulina Justyna Zuzanna Bożena Wiktoria Urszula Renata Hanna " +
		"Agata Sylwia Patrycja Helena Izabela Emilia Maja Aneta Weronika Ewelina Oliwia Martyna Klaudia " +
		"Gabriela Marzena Dominika Bogumiła Stanisława Wiesława Genowefa Kamila Lucyna Edyta Kinga " +
		"Aleksandrą Anną Milena Nina Lena Iga Pola Kornelia Antonina Laura Amelia Nadia Sandra Ilona " +
		"Daria Wanda Zdzisława Mirosława Kazimiera Ludmiła Bogna ",
	"pt": "" +
		"João José António Manuel Francisco Carlos Paulo Pedro Luís Miguel Rui Jorge Fernando Nuno " +
		"Ricardo Tiago Bruno André Diogo Gonçalo Rafael Duarte Tomás Afonso Rodrigo Martim Santiago " +
		"Guilherme Gabriel Lourenço Salvador Vasco Simão David Daniel Hugo Filipe Vítor Sérgio Hélder " +
		"Joaquim Alberto Álvaro Américo Armando Artur Augusto Avelino Bernardo César Cristiano Domingos " +
		"Eduardo Emanuel Ernesto Fábio Fausto Gil Henrique Ivo Jaime Leandro Leonardo Marco Marcos Mário " +
		"Mateus Matheus Nelson Orlando Raul Renato Samuel Sandro Telmo Valter Vicente Xavier Thiago Caio " +
		"Vinícius Maria Ana Margarida Teresa Isabel Fernanda Sofia Joana Catarina Inês Beatriz Mariana " +
		"Matilde Leonor Carolina Francisca Lara Marta Rita Sara Cristina Patrícia Paula Sandra Susana " +
		"Carla Mónica Sílvia Helena Luísa Manuela Rosa Graça Conceição Fátima Lurdes Alexandra Alice " +
		"Amélia Andreia Ângela Bárbara Benedita Bruna Camila Clara Cláudia Constança Daniela Débora Diana " +
		"Eduarda Elisa Elsa Emília Eva Filipa Filomena Gabriela Gisela Glória Iara Idalina Iris Jéssica " +
		"Júlia Juliana Larissa Laura Leticia Letícia Lídia Liliana Lúcia Luana Luna Madalena Mafalda " +
		"Marisa Marlene Natália Nádia Olga Olívia Raquel Regina Renata Rute Salomé Simone Sónia Tânia " +
		"Tatiana Telma Valentina Vanessa Vera Verónica Vitória Yara ",
	"elsewhere": "" +
		"Alina Liisa Cinzia Selma Kristian Cormac Jamie Abby Elise Liv Solveig Ragnar Håkon Haakon Øyvind " +
		"Leif Knut Arne Bjarne Rune Geir Trond Kjell Terje Odd Stein Svein Tor Trygve Vidar Aksel Anders " +
		"Christoffer Kristoffer Frode Hilde Marit Randi Tone Turid Berit Gro Siri Silje Ida Thea Mathias " +
		"Emilie Frederik Mads Rasmus Jonas Oskar Villads Malthe Kasper Morten Henrik Flemming Bent Poul " +
		"Preben Torben Ulla Bodil Lone Pernille Signe Maja Freja Karla Agnete Dorthe Gitte Birthe Inger " +
		"Göran Åke Gösta Bengt Lennart Stig Ulf Håkan Mats Fredrik Joakim Linus Viggo Hjalmar Hilding " +
		"Axel Elsa Ebba Wilma Alva Linnéa Tuva Moa Maj Britt Gunilla Birgitta Kerstin Annika Ulrika Malin " +
		"Elin Åsa Johannes Aino Eero Eino Juhani Kalevi Olavi Tapani Kari Matti Heikki Veikko Seppo Risto " +
		"Pentti Jari Ilkka Tuomas Teemu Ville Janne Sami Mika Riitta Anneli Marjatta Tuula Päivi Minna " +
		"Johanna Hanna Katja Satu Outi Tiina Eija Kaija Keijo Aada Ilona Sanni Arttu Onni Einojuhani Jón " +
		"Sigurður Guðmundur Gunnar Ólafur Einar Magnús Kristján Vilhjálmur Halldór Guðrún Anna Kristín " +
		"Sigríður Helga Þórdís Björk Hallgrímur Ragnheiður Bence Máté Levente Dávid Ádám Balázs Gergő " +
		"Péter Tamás Krisztián Csaba Sándor József Imre Tibor Lajos Béla Géza Jenő Szilárd Csenger Réka " +
		"Dóra Eszter Nóra Vivien Fanni Boglárka Ildikó Judit Mónika Tünde Zsuzsanna Mária Ágnes Piroska " +
		"Mercédesz Gyula Václav František Jaroslav Zdeněk Miroslav Josef Karel Vladimír Stanislav Milan " +
		"Pavel Radek Aleš Vojtěch Štěpán Marek Dominika Kateřina Lucie Jana Hana Věra Alena Ludmila " +
		"Jiřina Božena Markéta Barbora Jozef Ján Juraj Peter Katarína Zuzana Luka Ivan Marko Josip Ante " +
		"Stjepan Tomislav Hrvoje Mladen Željko Dražen Vesna Ljiljana Snežana Biljana Gordana Dragana " +
		"Milica Jovana Vuk Stefan Nemanja Miloš Dušan Branko Slobodan Janez Franc Matjaž Andrej Jožef " +
		"Bojan Gregor Rok Žiga Nejc Urška Mojca Nataša Ion Vasile Gheorghe Nicolae Constantin Mihai " +
		"Andrei Alexandru Florin Cristian Bogdan Ștefan Elena Ioana Mihaela Andreea Cristina Gabriela " +
		"Georgi Dimitar Petar Hristo Stoyan Todor Plamen Krasimir Mariya Ivanka Desislava Violeta " +
		"Yordanka Alexei Aleksei Alexey Andrey Anatoly Igor Oleg Yuri Yury Konstantin Maxim Nikita Roman " +
		"Ruslan Vadim Valery Vasily Viktor Yegor Anastasia Daria Galina Larisa Lyudmila Nadezhda Polina " +
		"Tamara Valentina Vera Yulia Zoya Faina Asya Inga Zarina Aslan Shamil Ramzan Zelim Amina Madina " +
		"Aslanbek Mateo Thiago Facundo Joaquín Agustina Camila Milagros Rolando Gustavo Osvaldo Rodolfo " +
		"Wilfredo Ximena Itzel Xóchitl Moisés Abel Abril Aitana Aitor Gorka Iker Mikel Unai Xabier Leire " +
		"Maite Amaia Uxía Brais Laia Oriol Pau Jordi Meritxell Aristóteles Afonso Caíque Kauã Luan Breno " +
		"Murilo Otávio Danilo Everton Wagner Jussara Rosana Thaís Yasmin Lúcio Zélia Chiara Nunzio " +
		"Carmine Calogero Liborio Rosalia Assunta Immacolata Agata Fiorenzo Gaspare Liviana Gioconda " +
		"Ermanno Ottavio Lambert Quirijn Dieuwertje Sietske Wietske Aafke Fokje Sjouke Douwe Sietse Wiebe " +
		"Rinske Eelke Omar Yassine Karim Mehdi Rachid Samira Leila Nadia Khadija Zineb Hamza Bilal Tariq " +
		"Imran Zainab Layla Noor Mariam Salma Abdullah Abdul Mohamed Mahmoud Mostafa Youssef Tarek " +
		"Hussein Rania Dina Amal Huda Arjun Rohan Aditya Kiran Lakshmi Meera Nisha Ramesh Suresh Ganesh " +
		"Krishna Shreya Divya Kavita Manish Rajesh Sandeep Vikram Takashi Kazuki Haruto Yuto Sota Ren " +
		"Hina Aoi Yui Misaki Tomomi Asuka Chihiro Yumi Keiko Naoko Satoshi Makoto Takeshi Minh Linh Thuy " +
		"Hoang Duc Anh Quang Trang Hyun Jisoo Minjun Seoyeon Xiu Mei Fang Lei Jun Hua Ying Yan Tao Bo " +
		"Kwame Kofi Ama Abena Chinedu Ngozi Chioma Emeka Oluwaseun Tunde Folake Adebayo Amara Zuri Nia " +
		"Thabo Sipho Nomsa Lerato Tendai Farai Chipo Eve Aloisia Devin Sherry Shane Sheila Alma Eliza " +
		"Josie Millie Evie Ivor Dylan Ffion Rhian Sian Cerys Gwen Bronwen Emrys Iwan Owain Morag Catriona " +
		"Mairi Iain Fraser Rory Struan Finlay Callum Eoin Oisín Cillian Fionn Darragh Conor Ciarán Róisín " +
		"Aoife Saoirse Orla Sinéad Gráinne Caoimhe Ewa Jolanta Salvatore Gijsbrecht Maika Doris Romy " +
		"Wendelin Burkhard Ottokar Adelheid Hedwig Kunigunde Walburga Rosalinde Edeltraud Mechthild " +
		"Gertraud Notburga Leopold Alois Ferdinand Hansjörg Urs Beat Reto Ueli Regula Vreni ",
}

var familyNames = map[string]string{
	"en": "" +
		"Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez " +
		"Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris " +
		"Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill " +
		"Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips " +
		"Evans Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers " +
		"Gutierrez Ortiz Morgan Cooper Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson " +
		"Watson Brooks Chavez Wood Bennett Gray Mendoza Hughes Price Alvarez Castillo Sanders Patel Myers " +
		"Long Ross Foster Jimenez Powell Jenkins Perry Russell Sullivan Bell Coleman Butler Henderson " +
		"Barnes Fisher Vasquez Simmons Griffin Singh Khan Clarke Shaw Palmer Mills Mason Dixon Hunt Webb " +
		"Simpson Stevens Ellis Chapman Marshall Gibson Wallace Hamilton Graham Reynolds Murray Ford Owens " +
		"McDonald Harrison ",
	"de": "" +
		"Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer " +
		"Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange " +
		"Schmitt Werner Schmitz Krause Meier Lehmann Schmid Schulze Maier Köhler Herrmann König Walter " +
		"Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Schubert Vogel Friedrich " +
		"Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster Simon " +
		"Ludwig Böhm Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel " +
		"Heinrich Brandt Haas Schreiber Graf Schulte Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch " +
		"Bergmann Voigt Sauer Arnold Wolff Pfeiffer Gruber Steiner Moser ",
	"fr": "" +
		"Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre " +
		"Leroy Roux David Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent " +
		"Muller Lefevre Faure Andre Mercier Blanc Guerin Boyer Garnier Chevalier Francois Legrand " +
		"Gauthier Garcia Perrin Robin Clement Morin Nicolas Henry Roussel Mathieu Gautier Masson Marchand " +
		"Duval Denis Dumont Marie Lemaire Noel Meyer Dufour Meunier Brun Blanchard Giraud Joly Riviere " +
		"Lucas Brunet Gaillard Barbier Arnaud Martinez Gerard Roche Renard Schmitt Roy Leroux Colin Vidal " +
		"Caron Picard Roger Fabre Aubert Lemoine Renaud Dumas Lacroix ",
	"es": "" +
		"García González Rodríguez Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz " +
		"Hernández Díaz Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez " +
		"Ramos Gil Ramírez Serrano Blanco Molina Morales Suárez Ortega Delgado Castro Ortiz Rubio Marín " +
		"Sanz Núñez Iglesias Medina Garrido Cortés Castillo Santos Lozano Guerrero Cano Prieto Méndez " +
		"Cruz Calvo Gallego Vidal León Márquez Herrera Peña Flores Cabrera Campos Vega Fuentes Carrasco " +
		"Díez Reyes Caballero Nieto Aguilar Pascual Santana Herrero Lorenzo Montero Hidalgo Giménez " +
		"Ibáñez Ferrer Durán ",
	"it": "" +
		"Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti De Luca " +
		"Mancini Costa Giordano Rizzo Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso " +
		"Ferrara Galli Martini Leone Longo Gentile Martinelli Vitale Lombardo Serra Coppola Marchetti " +
		"Parisi Villa Conte Ferraro Ferri Fabbri Bianco Marini Grasso Valentini Messina Sala Gatti " +
		"Pellegrini Palumbo Sanna Farina Rizzi Monti Cattaneo Morelli Amato Silvestri Mazza Testa Grassi " +
		"Pellegrino Carbone Giuliani Benedetti Barone Rossetti Caputo Montanari Guerra Palmieri Bernardi " +
		"Martino ",
	"nl": "" +
		"Jong Jansen Vries Berg Bakker Dijk Visser Janssen Smit Meijer Boer Mulder Groot Bos Vos Peters " +
		"Hendriks Leeuwen Dekker Brouwer Wit Dijkstra Smits Graaf Meer Linden Kok Jacobs Haan Vermeulen " +
		"Heuvel Veen Broek Bruijn Heijden Schouten Beek Willems Vliet Ven Hoekstra Maas Verhoeven Koster " +
		"Dam Wal Prins Blom Huisman Peeters Kuipers Veenstra Postma Kramer Scholten Bosman Postema " +
		"Sanders Evers Mertens Claes Goossens Wouters ",
	"pl": "" +
		"Nowak Kowalski Kowalska Wiśniewski Wiśniewska Wójcik Kowalczyk Kamiński Kamińska Lewandowski " +
		"Lewandowska Zieliński Zielińska Szymański Szymańska Woźniak Dąbrowski Dąbrowska Kozłowski " +
		"Kozłowska Jankowski Jankowska Mazur Wojciechowski Kwiatkowski Kwiatkowska Krawczyk Kaczmarek " +
		"Piotrowski Piotrowska Grabowski Grabowska Zając Pawłowski Pawłowska Michalski Michalska Król " +
		"Wieczorek Jabłoński Jabłońska Wróbel Nowakowski Majewski Majewska Olszewski Stępień Malinowski " +
		"Jaworski Adamczyk Dudek Nowicki Nowicka Pawlak Górski Witkowski Walczak Sikora Baran Rutkowski " +
		"Michalak Szewczyk Ostrowski Tomaszewski Pietrzak Zalewski Wróblewski Marciniak Jasiński Zawadzki " +
		"Bąk Jakubowski Sadowski Duda Włodarczyk Wilk Chmielewski Borkowski Sokołowski Szczepański " +
		"Sawicki Kucharski Lis Kubiak Kalinowski Wysocki Maciejewski Kołodziej Kaźmierczak Sobczak " +
		"Czarnecki ",
	"pt": "" +
		"Silva Santos Ferreira Pereira Oliveira Costa Rodrigues Martins Jesus Sousa Fernandes Gonçalves " +
		"Gomes Lopes Marques Alves Almeida Ribeiro Pinto Carvalho Teixeira Moreira Correia Mendes Nunes " +
		"Soares Vieira Monteiro Cardoso Rocha Raposo Neves Coelho Cruz Cunha Pires Ramos Reis Simões " +
		"Antunes Matos Fonseca Machado Araújo Barbosa Tavares Lourenço Castro Figueiredo Azevedo Freitas " +
		"Magalhães Henriques Lima Guerreiro Batista Pinheiro Faria Miranda Barros Morais Nogueira Esteves " +
		"Campos Mota Andrade Brito Sá Nascimento Leite Abreu Borges Melo Vaz Pinho Vicente Gaspar " +
		"Assunção Maia Moura Valente Carneiro Domingues Garcia Branco Leal ",
}

// commonNames are given names that are ordinary words, months or places as well: they need a family
// name or a word that announces them.
const commonNames = "" +
	"Odd Stein Bent Beat Bo Tone Ren Jun Fang Lei Tao Hua Ama Abel Abril Wagner Luan Pau Amal Liv Rune Rok Luka Moa Maj Kari Ion Ante Minh Anh Inga " +
	"Will May Mark Grace Hope Rose Dawn April June August Summer Joy Faith Art Bill Chase Frank Grant " +
	"Jack Sue Pat Don Dean Drew Gene Guy Hunter Mason Major Max Miles Norm Page Ray Rich Roman Robin " +
	"Sandy Skip Star Victor Wade Amber Crystal Daisy Holly Iris Ivy Jade Lily Pearl Penny Poppy Ruby " +
	"Violet Olive Carol Christian Jean Dale Glen Jordan Austin Dallas Florence Georgia Virginia " +
	"Charlotte Paris Victoria Madison Jackson Lincoln Logan Troy Francis Price Angel Jesus Ernst Till " +
	"Kai Rosa Viola Stella Aurora Luna Bianca Blanca Clara Alba Mercedes Dolores Rosario Pilar " +
	"Consuelo Esperanza Concepción Amparo Gloria Domingo Santiago Salvador Pascal Noël Fleur Roos Bas " +
	"Sem Pien Job Graça Conceição Gil Ambre Capucine Serena Gaia Marina Ming Chen Jin Young Ida Pina " +
	"Norma Milan Chad Tim Pola Iga Pan Avenida Constança Lourenço "
